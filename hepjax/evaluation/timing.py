"""The time a generator takes for a shower, by the protocol of the CaloChallenge (arXiv:2410.21611)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from hepjax.types import InputError, PRNGKey

BATCHES = (1, 100, 10_000)
REPEATS = 5


class Timing(NamedTuple):
    """Milliseconds a shower at one batch size: mean and standard deviation over repeated calls."""

    batch: int
    mean_ms: float
    spread_ms: float
    repeats: int


def timing(
    key: PRNGKey,
    sample: Callable[[PRNGKey, int], Any],
    batches: Sequence[int] = BATCHES,
    repeats: int = REPEATS,
) -> tuple[Timing, ...]:
    """Time `sample(key, batch)`, which returns a pytree of the arrays of `batch` showers, at each batch size.

    Each call gets a key of its own and counts until its arrays are there. A first call, which compiles, does not
    count. Raises InputError for fewer than two repeats.
    """
    if repeats < 2:
        raise InputError(f"timing: {repeats} repeats, expected at least 2 for a spread")
    return tuple(_timed(jax.random.fold_in(key, batch), sample, batch, repeats) for batch in batches)


def _timed(key: PRNGKey, sample: Callable[[PRNGKey, int], Any], batch: int, repeats: int) -> Timing:
    warm_up, *keys = jax.block_until_ready(jax.random.split(key, repeats + 1))
    jax.block_until_ready(sample(warm_up, batch))
    seconds = []
    for one in keys:
        started = time.perf_counter()
        jax.block_until_ready(sample(one, batch))
        seconds.append(time.perf_counter() - started)
    milliseconds = 1e3 * np.array(seconds) / batch
    return Timing(batch, float(milliseconds.mean()), float(milliseconds.std(ddof=1)), repeats)
