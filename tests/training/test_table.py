import jax
import numpy as np
import pytest

from hepjax.training import table
from hepjax.types import Coupled, InputError


def test_the_parts_of_a_split_are_disjoint_and_complete():
    rows = Coupled(source=np.arange(50.0)[:, None], target=np.arange(50.0)[:, None])
    train, held = table.split(jax.random.key(0), rows, 0.2)
    assert held.source.shape == (10, 1) and train.cond is None
    assert np.array_equal(train.source, train.target)
    assert np.array_equal(np.sort(np.concatenate([train.source, held.source])[:, 0]), np.arange(50))


def test_a_split_keeps_an_event_on_both_sides():
    assert table.split(jax.random.key(0), np.zeros(2), 0.01)[1].shape == (1,)
    assert table.split(jax.random.key(0), np.zeros(1), 0.5)[1] is None
    assert table.split(jax.random.key(0), np.zeros(9), 0.0)[1] is None


@pytest.mark.parametrize(("rows", "shape"), [(10, (3, 3)), (8, (2, 4)), (3, (1, 3))])
def test_chunks_are_equal(rows, shape):
    chunks = table.chunked(np.arange(rows), 4)
    assert chunks.shape == shape and np.array_equal(chunks.ravel(), np.arange(chunks.size))


@pytest.mark.parametrize("bad", [{"x": np.zeros(3), "y": np.zeros(4)}, np.zeros((0, 2)), {}, np.float32(1)])
def test_a_table_without_a_common_length_is_refused(bad):
    with pytest.raises(InputError, match="sample"):
        table.length(bad, "sample")
