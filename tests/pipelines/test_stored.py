"""Showers that stay on disk: what is held out, sampled and read together."""

import numpy as np
import pytest
from toys import toy_showers

from hepjax import data
from hepjax.pipelines.showers import stored

SHOWER = 4 * 17  # bytes of one of 4 x 4 cells, and its energy


@pytest.fixture
def divided(tmp_path):
    """(showers in memory, rows a chunk) -> what becomes of 1100 showers, and these."""
    sample = toy_showers(0, 1100)
    data.showers.write(tmp_path / "showers.hdf5", sample)

    def divided(memory, chunk):
        with data.showers.opened(tmp_path / "showers.hdf5") as showers:
            kept = stored.Stored(showers, memory * SHOWER, chunk)
            return stored.divide(np.random.default_rng(0), kept, validation=0.1, images=1), sample

    return divided


@pytest.mark.parametrize(("chunk", "each"), [(100, 10), (64, 6), (1, 6)])
def test_a_block_is_what_is_left_of_a_chunk(divided, chunk, each):
    found, sample = divided(9600, chunk)
    rows, size = found.train.source.rows, max(chunk, 64)
    strata = len(sample) // size
    assert found.block == size - each and len(found.held) == strata * each
    assert np.array_equal(np.unique(rows), rows) and len(rows) == len(sample) - strata * each
    blocks = rows[: strata * found.block].reshape(strata, -1) // size
    assert np.array_equal(blocks, np.broadcast_to(np.arange(strata)[:, None], blocks.shape))


def test_the_parts_fit_in_memory_and_do_not_overlap(divided):
    found, sample = divided(1200, 100)
    assert found.window == 256 and found.block <= 256 // stored.BLOCKS
    assert len(found.sample) == 100 and len(found.held) <= 1200 // 16
    train, held, drawn = (set(part.incident_energy) for part in (sample[found.train.source.rows], *found[1:3]))
    assert not train & held and drawn <= train
