"""Showers that stay on disk in a fit: which of them are in memory, and how many at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hepjax import data, devices
from hepjax.pipelines.showers import samples
from hepjax.training import Config as Training
from hepjax.training import Stream, stream
from hepjax.types import Geometry, InputError, Showers

BLOCKS = 4  # of neighbouring showers in a window, at least
LEAST_READ = 64  # showers that are read at a time, at least


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


@contextlib.contextmanager
def opened(address: str, memory_gib: float | None, copies: Callable[[Geometry], int]) -> Iterator[Showers | Stored]:
    """Give the showers of a file to a block that fits them: in memory where they fit, else on disk, and say so.

    memory_gib: what they may take, a half of the memory by default. copies: how many times a fit in memory has them
    there. Raises InputError for a budget that is none, and as `data.showers.opened` does.
    """
    budget = devices.of_first(memory_bytes() / 2 if memory_gib is None else memory_gib * 2**30)
    if budget <= 0:
        raise InputError(f"memory-gib is {memory_gib}, expected a positive number")
    with contextlib.ExitStack() as stack:
        with devices.together():
            found = stack.enter_context(data.showers.opened(address))
            needed = found.nbytes * copies(found.geometry)
            large = needed > budget
            showers = Stored(found, int(budget), found.rows_a_chunk) if large else data.showers.read(address)
        if large and devices.is_first():
            needs = f"a fit in memory needs {needed / 2**30:.3g} GiB of {budget / 2**30:.3g}"
            print(f"hepjax: {address}: {needs}; showers are read while training")
        yield showers


def memory_bytes() -> int:
    """Memory that this process may have: the machine's, or its share by the control group."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return machine


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
    fitted to it, it and some five tables of it in all `images` take a half. Raises InputError for a memory in which the
    sample is too small.
    """
    first = stored.showers[:1]
    fit = stored.memory_bytes // (first.voxels.nbytes + first.incident_energy.nbytes)
    size = fit // (2 * (1 + 5 * images))
    if size < samples.FEWEST:
        raise InputError(f"memory for a sample of {size} showers, a fit from disk needs at least {samples.FEWEST}")
    window = 1 << int(np.log2(fit // 4))
    train, held, block = _hold_out(rng, stored, min(round(validation * len(stored)), fit // 16))
    block = block // -(-block * BLOCKS // window)
    with devices.together():
        held, sample = stream.read(stored.showers, held, np.sort(rng.permutation(train)[:size]))
    samples.require(sample)
    return Divided(Stream(stream.Part(stored.showers, train)), held, sample, window, block)


def _hold_out(rng: np.random.Generator, stored: Stored, held: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Rows to train on and about `held` others, and how many of the first lie in as few chunks of the file as can be.

    As many rows are held out of every so many chunks, at random: what is left of these is a block of the rows to train
    on, so that reading a block takes none of its neighbours' chunks.
    """
    chunk = stored.rows_a_chunk * -(-LEAST_READ // stored.rows_a_chunk)
    chunks = -(-len(stored) // (chunk * held)) if held else 1
    size = min(chunk * chunks, len(stored))
    strata, each = len(stored) // size, held * size // len(stored)
    places = rng.permuted(np.broadcast_to(np.arange(size), (strata, size)), axis=1)[:, :each]
    out = np.sort((places + size * np.arange(strata)[:, None]).ravel())
    return np.delete(np.arange(len(stored)), out), out, -(-(size - each) // chunks)
