"""Observables of calorimeter showers on a two-dimensional grid of cells, and what is compared between samples.

All take `Showers` with energies in MeV and return float64 numpy arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hepjax.types import InputError, Showers

SPECTRUM_FROM_MEV = 0.01


class Observable(NamedTuple):
    """A quantity of a shower.

    name: a stable key. label: its axis label with unit. values: Showers -> (n,) or (n, k) for k entries a shower.
    discrete: whether it counts. log10: whether values are the decimal logarithm of what the label says.
    """

    name: str
    label: str
    values: Callable[[Showers], np.ndarray]
    discrete: bool = False
    log10: bool = False


def sum_over_e(showers: Showers) -> Float[np.ndarray, " n"]:
    """Total response: the sum of all cells over the incident energy."""
    return fractions(showers).sum(-1)


def largest_over_e(showers: Showers) -> Float[np.ndarray, " n"]:
    """Energy of the hottest cell over the incident energy."""
    return fractions(showers).max(-1)


def cells_above(showers: Showers, threshold_mev: float = 1.0) -> Float[np.ndarray, " n"]:
    """Number of cells above a threshold."""
    return (_cells(showers) > threshold_mev).sum(-1).astype(np.float64)


def cell_spectrum(showers: Showers, from_mev: float = SPECTRUM_FROM_MEV) -> Float[np.ndarray, "n v"]:
    """log10 of every cell's energy in MeV; cells below `from_mev`, empty ones too, count as `from_mev`."""
    return np.log10(np.maximum(_cells(showers), from_mev))


def row_over_e(showers: Showers) -> Float[np.ndarray, "n rows"]:
    """Energy of each row of the grid over the incident energy."""
    return _grid(showers).sum(-1)


def column_over_e(showers: Showers) -> Float[np.ndarray, "n columns"]:
    """Energy of each column of the grid over the incident energy."""
    return _grid(showers).sum(-2)


def cell_correlations(showers: Showers) -> Float[np.ndarray, "v v"]:
    """Pearson correlations of cell energies over the incident energy; zero for cells that never vary."""
    return correlations(fractions(showers))


def correlations(x: Float[np.ndarray, "n v"]) -> Float[np.ndarray, "v v"]:
    """Pearson correlations of columns; zero for columns that never vary."""
    centred = np.asarray(x, np.float64) - np.mean(x, axis=0, dtype=np.float64)
    spread = np.sqrt(np.square(centred).sum(0))
    scaled = centred / np.where(spread > 0, spread, 1.0)
    return scaled.T @ scaled


def fractions(showers: Showers) -> Float[np.ndarray, "n v"]:
    """Cell energies over the incident energy."""
    return _cells(showers) / np.asarray(showers.incident_energy, np.float64)[:, None]


def classifier_view(showers: Showers, threshold_mev: float = 0.0) -> Float[np.ndarray, "n features"]:
    """What a two-sample classifier sees: cells over E_inc (those under the threshold set to zero), and ln E_inc."""
    energy = np.asarray(showers.incident_energy, np.float64)[:, None]
    cells = _cells(showers)
    return np.concatenate([np.where(cells < threshold_mev, 0.0, cells) / energy, np.log(energy)], axis=1)


def grid_shape(showers: Showers) -> tuple[int, int]:
    """Rows and columns of the grid. Raises InputError for a geometry that is not two-dimensional."""
    shape = showers.geometry.shape
    if len(shape) != 2:
        raise InputError(f"geometry {showers.geometry.name}: expected a grid of rows and columns, got shape {shape}")
    return shape[0], shape[1]


def observables(showers: Showers) -> tuple[Observable, ...]:
    """What is compared between samples of this geometry: global ones first, then each row and column."""
    rows, columns = grid_shape(showers)
    return (
        Observable("sum_over_e", r"$\Sigma_i E_i\,/\,E_\mathrm{inc}$", sum_over_e),
        Observable("largest_over_e", r"$\mathrm{max}_i\,E_i\,/\,E_\mathrm{inc}$", largest_over_e),
        Observable("cells_above_1mev", "Cells above 1 MeV", cells_above, discrete=True),
        Observable("cell_spectrum", r"Cell energy $E_i$ [MeV]", cell_spectrum, log10=True),
        *(_slice("row", r, row_over_e) for r in range(rows)),
        *(_slice("column", c, column_over_e) for c in range(columns)),
    )


def _slice(kind: str, index: int, profile: Callable[[Showers], np.ndarray]) -> Observable:
    label = rf"{kind.capitalize()} {index}, $E\,/\,E_\mathrm{{inc}}$"
    return Observable(f"{kind}_{index}", label, lambda showers: profile(showers)[:, index])


def _cells(showers: Showers) -> np.ndarray:
    return np.asarray(showers.voxels, np.float64)


def _grid(showers: Showers) -> np.ndarray:
    return fractions(showers).reshape(-1, *grid_shape(showers))
