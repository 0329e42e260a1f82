"""Histograms and separation powers of the CaloChallenge, beside their statistical floors (arXiv:2410.21611)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hepjax import metrics
from hepjax.evaluation.calochallenge_samples import Sample
from hepjax.metrics.calorimeter_observables import calo_observables, voxel_counts, voxel_edges
from hepjax.metrics.comparison import Distribution
from hepjax.metrics.floor import pooled_separation_floor, pooled_table_floor

Floors = dict[str, metrics.Floor]
Rows = dict[str, dict[str, float]]


def separations(first: Sample, rest: Mapping[str, Sample]) -> tuple[tuple[Distribution, ...], dict[str, Rows]]:
    """Histograms of all observables, and by sample their separation powers from the reference beside the floors."""
    pairs = [*_of_showers(first, rest), _of_voxels(first, rest)]
    rows = {name: {d.name: _against(d, first.name, name, floors[name]) for d, floors in pairs} for name in rest}
    return tuple(distribution for distribution, _ in pairs), rows


def _of_showers(first: Sample, rest: Mapping[str, Sample]) -> Iterator[tuple[Distribution, Floors]]:
    for o in calo_observables(first.features, first.source.geometry):
        histograms = {s.name: metrics.histogram(o.values(s.features), o.edges) for s in (first, *rest.values())}
        floors = {name: pooled_separation_floor(histograms[first.name], histograms[name]) for name in rest}
        yield Distribution(o.name, o.label, histograms, log10=False, entries=1), floors


def _of_voxels(first: Sample, rest: Mapping[str, Sample]) -> tuple[Distribution, Floors]:
    edges, voxels = voxel_edges(first.largest_mev, first.source.geometry), first.source.geometry.voxels
    tables = {sample.name: _table(sample, edges) for sample in (first, *rest.values())}
    histograms = {name: _summed(table, edges, voxels) for name, table in tables.items()}
    # The voxels of a shower are correlated, so that whole showers are shuffled for the floor.
    floors = {name: pooled_table_floor(tables[first.name], tables[name]) for name in rest}
    return Distribution("voxels", "Voxel energy [MeV]", histograms, log10=False, entries=voxels), floors


def _table(sample: Sample, edges: np.ndarray) -> np.ndarray:
    """Counts of each shower's voxels, (n, bins)."""
    return np.concatenate([voxel_counts(np.asarray(window.voxels), edges) for window in sample.windows()])


def _summed(table: np.ndarray, edges: np.ndarray, voxels: int) -> metrics.Histogram:
    """The histogram of all voxels; its errors count whole showers."""
    variance = np.square(table, dtype=np.float64).sum(0)
    return metrics.Histogram(edges, table.sum(0, dtype=np.float64), variance, float(voxels * len(table)))


def _against(d: Distribution, reference: str, other: str, floor: metrics.Floor) -> dict[str, float]:
    value = metrics.separation_power(d.histograms[reference], d.histograms[other])
    return metrics.against("separation", value, floor)
