"""The histograms of the CaloChallenge, in its bins (arXiv:2410.21611, section 4.1)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from hepjax.metrics.calorimeter import Features, angular_layers
from hepjax.metrics.histograms import bin_index
from hepjax.types import Geometry, PolarLayer

DISCRETE_ENERGIES = 20
"""A reference with at most so many incident energies, as set 1, gets a histogram of the response at each."""
ROUNDING = 1e-4
"""Relative, of equal incident energies: generators write them as powers of float32 logarithms."""
NARROW_FROM_MEV = 4000.0
"""Photons of 4096 MeV and more have narrow bins of the response."""


class CaloObservable(NamedTuple):
    """A histogram of one entry a shower.

    name: a stable key. label: its axis label with unit. values: Features of n showers -> (up to n,).
    """

    name: str
    label: str
    values: Callable[[Features], np.ndarray]
    edges: np.ndarray


class _Ranges(NamedTuple):
    """Ends of the bins in mm: centres in eta and phi reach from minus to plus `centre`, the others start at zero."""

    centre: float
    width: float
    centre_r: float
    width_r: float


def calo_observables(reference: Features, geometry: Geometry) -> tuple[CaloObservable, ...]:
    """The observables of a polar geometry with bins that depend on the reference alone, global ones first."""
    kinds = (_responses(reference, geometry), *(_of_layer(reference, geometry, k) for k in range(len(geometry.polar))))
    return tuple(observable for kind in kinds for observable in kind)


def discrete_energies(incident_energy: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """The different incident energies in MeV, but for rounding; none where there are more than 20, as in sets 2 and 3.

    >>> discrete_energies(np.array([512.0, 256.0, 511.9999]))
    array([256.    , 511.9999])
    """
    found: list[float] = []
    for energy in np.unique(incident_energy):
        if not found or energy > found[-1] * (1 + ROUNDING):
            found.append(float(energy))
        if len(found) > DISCRETE_ENERGIES:
            return np.array([])
    return np.array(found)


def same_energy(energy: Float[np.ndarray, "*n"], other: Float[np.ndarray, "*m"] | float) -> Bool[np.ndarray, "*k"]:
    """Whether incident energies are equal within the rounding that submissions to the challenge may have."""
    return np.abs(energy / other - 1) <= ROUNDING


def voxel_edges(largest_mev: float, geometry: Geometry) -> Float[np.ndarray, " edges"]:
    """Bins of the voxels' energies in MeV: 50 edges from the threshold to the largest voxel of the reference."""
    return _log_bins(geometry.threshold_mev, largest_mev, 50)


def voxel_counts(voxels: Float[np.ndarray, "n v"], edges: Float[np.ndarray, " edges"]) -> Int[np.ndarray, "n bins"]:
    """Each shower's number of voxels with energy below the edges, in the bins, and above: (n, bins + 2)."""
    n, bins = len(voxels), len(edges) + 1
    # Nine of ten voxels are empty: they are sorted out before the search.
    rows, columns = np.nonzero(voxels > 0)
    found = bin_index(voxels[rows, columns], edges, fold=False) + 1
    return np.bincount(rows * bins + found, minlength=n * bins).reshape(n, bins)


def _responses(reference: Features, geometry: Geometry) -> Iterator[CaloObservable]:
    label = r"$E_\mathrm{tot}\,/\,E_\mathrm{inc}$"
    yield CaloObservable("etot_over_einc", label, _response, np.linspace(0.5, 1.5, 101))
    for energy in discrete_energies(np.asarray(reference.incident_energy)):
        narrow = "photons" in geometry.name and energy > NARROW_FROM_MEV
        edges = np.linspace(0.9, 1.1, 21) if narrow else np.linspace(0.4, 1.4, 21)
        name, at = f"etot_over_einc_{energy:.0f}mev", f"{label} at {energy / 1e3:.3g} GeV"
        yield CaloObservable(name, at, functools.partial(_response_at, energy=energy), edges)


def _response(features: Features) -> np.ndarray:
    return np.asarray(features.total / features.incident_energy)


def _response_at(features: Features, energy: float) -> np.ndarray:
    return _response(features)[same_energy(np.asarray(features.incident_energy), energy)]


def _of_layer(reference: Features, geometry: Geometry, k: int) -> Iterator[CaloObservable]:
    layer = geometry.polar[k]
    ranges = _ranges(layer)
    across = np.linspace(-ranges.centre, ranges.centre, 101)
    width = np.linspace(0, ranges.width, 101)
    in_angle = [
        ("centre_eta", r"centre in $\eta$ [mm]", across),
        ("centre_phi", r"centre in $\varphi$ [mm]", across),
        ("width_eta", r"width in $\eta$ [mm]", width),
        ("width_phi", r"width in $\varphi$ [mm]", width),
    ]
    kinds = [
        ("energy", "energy [MeV]", _log_bins(geometry.threshold_mev, float(reference.energy[:, k].max()), 40)),
        *(in_angle if k in angular_layers(geometry) else ()),
        ("centre_r", r"centre in $r$ [mm]", np.linspace(0, ranges.centre_r, 101)),
        ("width_r", r"width in $r$ [mm]", np.linspace(0, ranges.width_r, 101)),
        ("sparsity", "sparsity", np.linspace(0, 1, 21)),
    ]
    for kind, label, edges in kinds:
        values = functools.partial(_column, kind=kind, k=k)
        yield CaloObservable(f"{kind}_layer_{layer.number}", f"Layer {layer.number}, {label}", values, edges)


def _column(features: Features, kind: str, k: int) -> np.ndarray:
    return getattr(features, kind)[:, k]


def _ranges(layer: PolarLayer) -> _Ranges:
    """Sets 2 and 3 end at 42 mm; of set 1, the hadronic layers 12 and 13 have other bins in all, 14 in r alone."""
    if layer.r_edges_mm[-1] < 100:
        return _Ranges(centre=30.0, width=30.0, centre_r=42.0, width_r=20.0)
    in_angle = (500.0, 400.0) if layer.number in (12, 13) else (100.0, 100.0)
    in_radius = 1500.0 if layer.number in (12, 13, 14) else 500.0
    return _Ranges(*in_angle, in_radius, in_radius)


def _log_bins(threshold_mev: float, largest_mev: float, edges: int) -> np.ndarray:
    """Logarithmic edges above the threshold; a decade where the reference has nothing there.

    As the challenge's code takes them: the ends are powers of ten of logarithms, so that rounding may leave the largest
    entry of the reference just outside.
    """
    low = threshold_mev or 1e-3
    return np.logspace(np.log10(low), np.log10(largest_mev if largest_mev > low else 10 * low), edges)
