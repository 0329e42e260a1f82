"""Unpaired samples side by side: symmetric copies, and partners of nearly the same energy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from hepjax.types import Showers

PULL = 1.5


class Ordered(NamedTuple):
    """Which shower, in which orientation, stands in each row of a table of passes in rising energy.

    row: (passes, n). orientation: (passes, n).
    """

    row: Int[np.ndarray, "passes n"]
    orientation: Int[np.ndarray, "passes n"]


def orientations(shape: tuple[int, ...]) -> Int[np.ndarray, "o v"]:
    """Permutations of a square grid's cells by its rotations and reflections, the identity first; else only that."""
    cells = np.arange(np.prod(shape)).reshape(shape)
    if len(shape) != 2 or shape[0] != shape[1]:
        return cells.reshape(1, -1)
    turns = [np.rot90(cells, k) for k in range(4)]
    return np.stack([image.ravel() for turn in turns for image in (turn, np.fliplr(turn))])


def symmetric(showers: Showers, images: Int[np.ndarray, "o v"]) -> bool:
    """Whether the mean shower looks the same in all orientations, within its statistical error.

    The root mean square pull of mean cell fractions between orientations is 1 where the symmetry holds; it counts as
    broken above 1.5, which for 100 cells, some of them correlated, is some five standard deviations away.
    """
    fractions = np.asarray(showers.voxels, np.float64) / np.asarray(showers.incident_energy, np.float64)[:, None]
    mean, error = fractions.mean(0), fractions.std(0) / np.sqrt(len(fractions))
    for image in images[1:]:
        spread = np.hypot(error, error[image])
        moved = (np.arange(len(image)) != image) & (spread > 0)
        pull = (mean - mean[image])[moved] / spread[moved]
        if moved.any() and np.sqrt(np.mean(pull**2)) > PULL:
            return False
    return True


def in_passes(rng: np.random.Generator, energy: Float[np.ndarray, " n"], passes: int, length: int, images: int):
    """A table of `passes` runs through a sample in rising energy, `length` rows each.

    A pass takes evenly spaced quantiles of the energy, shifted from pass to pass, so that a sample larger than a pass
    is used evenly, and one that is smaller is repeated. Over the passes a shower meets every orientation.
    """
    order = np.argsort(energy, kind="stable")
    number = np.arange(passes)[:, None]
    place = ((np.arange(length) + (number + 0.5) / passes) / length * len(order)).astype(int)
    first = rng.integers(images, size=len(order))
    row = order[place]
    return Ordered(row, (first[row] + number) % images)


def take(showers: Showers, ordered: Ordered, images: Int[np.ndarray, "o v"]) -> Showers:
    """The table's showers in their orientations, with leading axes (passes, n)."""
    voxels = np.take_along_axis(np.asarray(showers.voxels)[ordered.row], images[ordered.orientation], axis=-1)
    return Showers(np.asarray(showers.incident_energy)[ordered.row], voxels, showers.geometry)
