"""Unpaired samples side by side: partners of nearly the same energy, in all orientations."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from hepjax.types import Showers


class Ordered(NamedTuple):
    """Which shower, in which orientation, stands in each row of a table of passes in rising energy.

    row: (passes, n). orientation: (passes, n).
    """

    row: Int[np.ndarray, "passes n"]
    orientation: Int[np.ndarray, "passes n"]


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
