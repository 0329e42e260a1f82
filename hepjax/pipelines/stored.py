"""Showers that stay on disk in a fit: which of them are in memory, and how many at a time."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from hepjax import data
from hepjax.pipelines import samples
from hepjax.training import Config as Training
from hepjax.training import Stream, stream
from hepjax.types import Geometry, InputError, Showers

BLOCKS = 16  # of neighbouring showers in a window, at least


@dataclasses.dataclass(frozen=True)
class Stored:
    """Showers of an open file that a fit is to read while it trains. memory_bytes: what it may take for showers."""

    showers: data.showers.Stored | stream.Part
    memory_bytes: int
    rows_a_chunk: int = 1

    def __len__(self) -> int:
        return len(self.showers)

    @property
    def geometry(self) -> Geometry:
        """Their geometry."""
        return self.showers[:1].geometry


class Divided(NamedTuple):
    """The showers of a fit: to train on, read window by window; held out, and a random sample of those to train on, in
    memory. Windows and blocks are rows, as `training.Config` has them.
    """

    train: Stream
    held: Showers
    sample: Showers
    window: int
    block: int

    def recipe(self, config: Training) -> Training:
        """How to train, with the windows that fit in memory."""
        return dataclasses.replace(config, window=self.window, block=self.block)


def divide(rng: np.random.Generator, stored: Stored, validation: float, images: int) -> Divided:
    """Hold out a fraction of the showers, and draw a sample, in one pass that checks all.

    Four windows are in memory at a time: one trains, one waits, one is read ahead and one is being read. So a window
    takes a quarter of the memory, rounded down to a power of two, that a machine of nearly the same memory can resume
    the run. What is held out takes an eighth at most. The sample is gone before the training; while constants are
    fitted to it, it and some five tables of it in all `images` take a half. Blocks are four chunks of the file where
    they fit, for each reads parts of two more. Raises InputError for a memory in which the sample is too small.
    """
    first = stored.showers[:1]
    fit = stored.memory_bytes // (first.voxels.nbytes + first.incident_energy.nbytes)
    size = fit // (2 * (1 + 5 * images))
    if size < samples.FEWEST:
        raise InputError(f"memory for a sample of {size} showers, a fit from disk needs at least {samples.FEWEST}")
    order = rng.permutation(len(stored))
    held = min(round(validation * len(order)), fit // 16)
    held, train = np.sort(order[:held]), order[held:]
    held, sample = stream.read(stored.showers, held, np.sort(train[:size]))
    samples.require(sample)
    window = 1 << int(np.log2(fit // 4))
    block = min(4 * stored.rows_a_chunk, window // BLOCKS)
    return Divided(Stream(stream.Part(stored.showers, np.sort(train))), held, sample, window, block)
