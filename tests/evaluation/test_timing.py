"""The timing protocol on a clock that the test turns, so that no test depends on the machine."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import evaluation
from hepjax.types import InputError


def test_mean_and_spread_without_the_warm_up(monkeypatch):
    """A call takes 3 ms and 10 us a shower, the n-th repeat n ms more, and the first a second to compile."""
    now, calls, keys = [0.0], [], []
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def sample(key, batch):
        repeat = sum(b == batch for b in calls)
        calls.append(batch)
        keys.append(jax.random.key_data(key))
        now[0] += 1.0 if repeat == 0 else 3e-3 + 1e-5 * batch + 1e-3 * repeat
        return {"voxels": jnp.zeros((batch, 2))}

    rows = evaluation.timing(jax.random.key(0), sample, batches=(1, 100), repeats=3)
    assert calls == [1] * 4 + [100] * 4
    assert len(np.unique(np.array(keys), axis=0)) == 8
    assert [(r.batch, r.repeats) for r in rows] == [(1, 3), (100, 3)]
    assert [r.mean_ms for r in rows] == pytest.approx([5.01, 0.06])
    assert [r.spread_ms for r in rows] == pytest.approx([1.0, 0.01])


def test_one_repeat_has_no_spread():
    with pytest.raises(InputError, match="1 repeats, expected at least 2"):
        evaluation.timing(jax.random.key(0), lambda key, batch: None, repeats=1)
