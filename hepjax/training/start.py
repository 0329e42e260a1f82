"""Where a fit starts: the parameters of a model that has seen some of its events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from hepjax import devices
from hepjax.caching import cached
from hepjax.training import table
from hepjax.training.epoch import Encode
from hepjax.training.stream import Stream
from hepjax.types import Params, PRNGKey

EVENTS = 2048
"""Of a sample, at most."""
BLOCK = 128
"""Neighbouring events of a sample: it is read from disk in few pieces."""


def params(key: PRNGKey, init: Callable[..., Params], encode: Encode, events: Any) -> Params:
    """Initial parameters of a model, given raw events; the same functions and shapes compile once."""
    init_key, encode_key = jax.random.split(key)
    return _compiled(init, encode.function)(init_key, encode_key, encode.constants, events)


def sample(key: PRNGKey, data: Any) -> Any:
    """Some events of a table or a `Stream`, the same from both: all of few, else a block in each of equal parts.

    So a table that is sorted is seen from end to end.
    """
    if isinstance(data, Stream):
        with devices.together():
            pieces = [data.source[rows] for rows in _blocks(key, len(data.source))]
        return jax.tree.map(lambda *parts: np.concatenate(parts), *pieces)
    blocks = _blocks(key, table.length(data, "training data"))
    return table.take(data, np.concatenate([np.arange(rows.start, rows.stop) for rows in blocks]))


def _blocks(key: PRNGKey, count: int) -> list[slice]:
    """Rows of a sample of `count` events: a block at a random place of each part."""
    if count <= EVENTS:
        return [slice(0, count)]
    ends = np.arange(EVENTS // BLOCK + 1) * count // (EVENTS // BLOCK)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    starts = ends[:-1] + rng.integers(0, np.diff(ends) - BLOCK, endpoint=True)
    return [slice(int(start), int(start) + BLOCK) for start in starts]


@cached
def _compiled(init: Callable[..., Params], encode: Callable | None) -> Callable[..., Params]:
    def run(init_key, encode_key, constants, events):
        return init(init_key, events if encode is None else encode(encode_key, constants, events))

    return jax.jit(run)
