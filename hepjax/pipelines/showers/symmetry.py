"""Symmetries of calorimeters, and whether a sample of showers respects them."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Int

from hepjax.types import Geometry, Showers

PULL = 1.5


def orientations(geometry: Geometry) -> Int[np.ndarray, "o v"]:
    """Permutations of the cells under which a calorimeter keeps its shape, the identity first.

    A square grid has its rotations and reflections, layers of grids the reflections of all rows, of all columns, and
    of both; any other geometry the identity alone.
    """
    cells = np.arange(geometry.voxels)
    if geometry.layers:
        ends = np.cumsum([layer.voxels for layer in geometry.layers])[:-1]
        grids = [part.reshape(g.shape) for part, g in zip(np.split(cells, ends), geometry.layers, strict=True)]
        steps = itertools.product((1, -1), repeat=2)
        return np.stack([np.concatenate([grid[::row, ::column].ravel() for grid in grids]) for row, column in steps])
    if len(geometry.shape) == 2 and geometry.shape[0] == geometry.shape[1]:
        turns = [np.rot90(cells.reshape(geometry.shape), k) for k in range(4)]
        return np.stack([image.ravel() for turn in turns for image in (turn, np.fliplr(turn))])
    return cells[None]


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


def turn(showers: Showers, images: Int[np.ndarray, "o v"]) -> Showers:
    """All showers in each orientation, one orientation after the other."""
    voxels = np.concatenate([np.asarray(showers.voxels)[:, image] for image in images])
    return Showers(np.tile(showers.incident_energy, len(images)), voxels, showers.geometry)
