"""Observables of calorimeter showers, on one grid of cells or in layers, and what is compared between samples.

All take `Showers` with energies in MeV and return float64 numpy arrays. Layers, rows and columns count from zero.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float

from hepjax.metrics.layers import LayerFeatures, layer_features, layers, split
from hepjax.types import Showers

SPECTRUM_FROM_MEV = 0.01
_OVER_E = r"$E\,/\,E_\mathrm{inc}$"


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


def row_over_e(showers: Showers, layer: int = 0) -> Float[np.ndarray, "n rows"]:
    """Energy of each row of a layer over the incident energy."""
    return split(fractions(showers), showers.geometry)[layer].sum(-1)


def column_over_e(showers: Showers, layer: int = 0) -> Float[np.ndarray, "n columns"]:
    """Energy of each column of a layer over the incident energy."""
    return split(fractions(showers), showers.geometry)[layer].sum(-2)


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


def layer_view(showers: Showers) -> Float[np.ndarray, "n features"]:
    """What a classifier of layer energies sees: those over E_inc, and ln E_inc."""
    energies = [grid.sum((-2, -1)) for grid in split(fractions(showers), showers.geometry)]
    return np.stack([*energies, np.log(np.asarray(showers.incident_energy, np.float64))], axis=1)


def profiles(showers: Showers) -> dict[str, Callable[[Showers], np.ndarray]]:
    """Name -> energies of rows or columns over the incident energy, along both axes of every layer."""
    kinds = {"row": row_over_e, "column": column_over_e}
    if not showers.geometry.layers:
        return dict(kinds)
    numbers = range(len(showers.geometry.layers))
    return {f"layer {k}, {kind}": functools.partial(f, layer=k) for k in numbers for kind, f in kinds.items()}


def observables(showers: Showers) -> tuple[Observable, ...]:
    """What is compared between samples of this geometry: global ones first, then each layer, or each row and column."""
    return (
        Observable("sum_over_e", r"$\Sigma_i E_i\,/\,E_\mathrm{inc}$", sum_over_e),
        Observable("largest_over_e", r"$\mathrm{max}_i\,E_i\,/\,E_\mathrm{inc}$", largest_over_e),
        Observable("cells_above_1mev", "Cells above 1 MeV", cells_above, discrete=True),
        Observable("cell_spectrum", r"Cell energy $E_i$ [MeV]", cell_spectrum, log10=True),
        *(_in_layers(showers) if showers.geometry.layers else _in_slices(showers)),
    )


def _in_slices(showers: Showers) -> list[Observable]:
    (grid,) = layers(showers.geometry)
    rows = [_slice("row", r, row_over_e) for r in range(grid.shape[0])]
    return rows + [_slice("column", c, column_over_e) for c in range(grid.shape[1])]


def _slice(kind: str, index: int, profile: Callable[[Showers], np.ndarray]) -> Observable:
    label = f"{kind.capitalize()} {index}, {_OVER_E}"
    return Observable(f"{kind}_{index}", label, lambda showers: profile(showers)[:, index])


_LAYER: dict[str, tuple[str, Callable[[LayerFeatures], Array]]] = {
    "share": (r"$E\,/\,\Sigma_l E_l$", lambda f: f.share),
    "row_centre": ("centre of rows [mm]", lambda f: f.centre_mm[..., 0]),
    "column_centre": ("centre of columns [mm]", lambda f: f.centre_mm[..., 1]),
    "row_width": ("width in rows [mm]", lambda f: f.width_mm[..., 0]),
    "column_width": ("width in columns [mm]", lambda f: f.width_mm[..., 1]),
    "hits": ("hit cells", lambda f: f.hits),
    "largest_mev": ("largest cell [MeV]", lambda f: f.largest_mev),
}


def _in_layers(showers: Showers) -> list[Observable]:
    return [
        observable
        for k in range(len(showers.geometry.layers))
        for observable in (
            Observable(f"layer_{k}_over_e", f"Layer {k}, {_OVER_E}", functools.partial(_layer_over_e, layer=k)),
            *(_layer_observable(k, name) for name in _LAYER),
        )
    ]


def _layer_over_e(showers: Showers, layer: int) -> np.ndarray:
    return layer_view(showers)[:, layer]


def _layer_observable(layer: int, name: str) -> Observable:
    label, feature = _LAYER[name]

    def values(showers: Showers) -> np.ndarray:
        return np.asarray(feature(layer_features(showers.voxels, showers.geometry))[..., layer], np.float64)

    return Observable(f"layer_{layer}_{name}", f"Layer {layer}, {label}", values, discrete=name == "hits")


def _cells(showers: Showers) -> np.ndarray:
    return np.asarray(showers.voxels, np.float64)
