"""Samples of showers, in memory or in files larger than it, as the evaluation of the CaloChallenge reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np

from hepjax.metrics import calorimeter, subset
from hepjax.training.progress import progress_bar
from hepjax.types import Geometry, Showers

WINDOW = 1000
COPIES = 3
"""Times that the voxels of the showers held lie in memory: as read, as a classifier sees them, and while it trains."""


@runtime_checkable
class Source(Protocol):
    """`Showers`, or showers of a file that are read in slices (`data.showers.Stored`)."""

    @property
    def geometry(self) -> Geometry: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Showers: ...


class Limits(NamedTuple):
    """Of all samples alike: voxels below `threshold_mev` are set to zero, `memory_gib` is for voxels held at once.

    Without a threshold it is the geometry's, as in the published evaluation.
    """

    threshold_mev: float | None = None
    memory_gib: float = 8.0

    def threshold(self, geometry: Geometry) -> float:
        """What holds for showers of a geometry, MeV."""
        return geometry.threshold_mev if self.threshold_mev is None else self.threshold_mev


class Sample(NamedTuple):
    """What one pass leaves of a sample: features, their vectors (n, d), the mean shower (v,), the largest voxel."""

    name: str
    source: Source
    limits: Limits
    features: calorimeter.Features
    vectors: np.ndarray
    average: np.ndarray
    largest_mev: float

    def windows(self) -> Iterator[Showers]:
        """The showers, a window at a time."""
        return _windows(self.name, self.source, self.limits)

    def voxels(self, rows: int) -> Showers:
        """So many of the showers, drawn at random (see `metrics.subset`); all, where there are no more."""
        chosen = np.zeros(len(self.source), bool)
        chosen[subset(len(self.source), rows)] = True
        flags = (chosen[start : start + WINDOW] for start in range(0, len(chosen), WINDOW))
        parts = [window[np.flatnonzero(some)] for window, some in zip(self.windows(), flags, strict=True)]
        return jax.tree.map(lambda *arrays: np.concatenate(arrays), *parts)


def read(name: str, source: Source, limits: Limits) -> Sample:
    """Digest a sample in one pass; raises InputError for unphysical showers."""
    total, largest = np.zeros(source.geometry.voxels), 0.0

    def seen() -> Iterator[Showers]:
        nonlocal largest
        for window in _windows(name, source, limits):
            np.add(total, np.sum(window.voxels, axis=0, dtype=np.float64), out=total)
            largest = max(largest, float(np.max(window.voxels)))
            yield window

    features = calorimeter.batched_features(seen())
    vectors = calorimeter.feature_vector(features, source.geometry)
    return Sample(name, source, limits, features, vectors, total / len(source), largest)


def held(first: Sample, other: Sample) -> int:
    """Showers of each of two samples whose voxels the memory holds, with a copy of them and what training adds."""
    bytes_each = 2 * COPIES * np.dtype(np.float32).itemsize * first.source.geometry.voxels
    return min(int(first.limits.memory_gib * 2**30 / bytes_each), len(first.source), len(other.source))


def _windows(name: str, source: Source, limits: Limits) -> Iterator[Showers]:
    threshold = limits.threshold(source.geometry)
    with progress_bar(f"reading {name}", len(source)) as show:
        for start in range(0, len(source), WINDOW):
            part = source[slice(start, min(start + WINDOW, len(source)))]
            if threshold:
                voxels = np.where(part.voxels < threshold, np.float32(0), part.voxels)
                part = Showers(part.incident_energy, voxels, part.geometry)
            yield part
            show(start + len(part), "")
