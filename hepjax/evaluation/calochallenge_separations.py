"""Histograms and separation powers of the CaloChallenge, beside their statistical floors (arXiv:2410.21611).

The published separation power is that of the histograms normalised inside their edges: showers outside do not count.
So every histogram is held against its floor by `separation_all`, which counts what lies below and above the edges as
two further bins. Voxels without energy are no entries of theirs: the sparsities count them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from hepjax import metrics
from hepjax.evaluation.calochallenge_samples import Sample
from hepjax.metrics.calorimeter_observables import calo_observables, voxel_counts, voxel_edges
from hepjax.metrics.comparison import Distribution
from hepjax.metrics.floor import pooled_separation_floor, pooled_table_floor
from hepjax.metrics.histograms import bin_index

Floors = dict[str, metrics.Floor]
Rows = dict[str, dict[str, float]]


def separations(first: Sample, rest: Mapping[str, Sample]) -> tuple[tuple[Distribution, ...], dict[str, Rows]]:
    """Histograms of all observables, and by sample their separation powers from the reference beside the floors.

    A row holds `separation`, the published one; `outside` and `outside_reference`, the share of the entries that it
    leaves out; and `metrics.against` of `separation_all`.
    """
    pairs = [*_of_showers(first, rest), _of_voxels(first, rest)]
    rows = {name: {d.name: row[name] for d, row in pairs} for name in rest}
    return tuple(distribution for distribution, _ in pairs), rows


def _of_showers(first: Sample, rest: Mapping[str, Sample]) -> Iterator[tuple[Distribution, Rows]]:
    for o in calo_observables(first.features, first.source.geometry):
        whole = {s.name: _histogram(o.values(s.features), o.edges) for s in (first, *rest.values())}
        floors = {name: pooled_separation_floor(whole[first.name], whole[name]) for name in rest}
        d = Distribution(o.name, o.label, {name: _inner(h) for name, h in whole.items()}, log10=False, entries=1)
        yield d, _rows(whole, first.name, floors)


def _of_voxels(first: Sample, rest: Mapping[str, Sample]) -> tuple[Distribution, Rows]:
    edges, voxels = voxel_edges(first.largest_mev, first.source.geometry), first.source.geometry.voxels
    tables = {sample.name: _table(sample, edges) for sample in (first, *rest.values())}
    whole = {name: _summed(table, edges) for name, table in tables.items()}
    # The voxels of a shower are correlated, so that whole showers are shuffled for the floor.
    floors = {name: pooled_table_floor(tables[first.name], tables[name]) for name in rest}
    # Drawn as voxels a shower, of all that it has.
    totals = {name: float(voxels * len(table)) for name, table in tables.items()}
    histograms = {name: _inner(h)._replace(total=totals[name]) for name, h in whole.items()}
    d = Distribution("voxels", "Voxel energy [MeV]", histograms, log10=False, entries=voxels)
    return d, _rows(whole, first.name, floors)


def _histogram(x: np.ndarray, edges: np.ndarray) -> metrics.Histogram:
    """The histogram of one entry a shower, with what lies outside."""
    counts = np.bincount(bin_index(x, edges, fold=False) + 1, minlength=len(edges) + 1).astype(np.float64)
    return metrics.Histogram(_wide(edges), counts, counts, float(len(x)))


def _table(sample: Sample, edges: np.ndarray) -> np.ndarray:
    """Counts of each shower's voxels with energy below, in and above the bins, (n, bins + 2)."""
    return np.concatenate([voxel_counts(np.asarray(window.voxels), edges) for window in sample.windows()])


def _summed(table: np.ndarray, edges: np.ndarray) -> metrics.Histogram:
    """The histogram of all voxels with energy, with what lies outside; its errors count whole showers."""
    counts, variance = table.sum(0, dtype=np.float64), np.square(table, dtype=np.float64).sum(0)
    return metrics.Histogram(_wide(edges), counts, variance, float(counts.sum()))


def _wide(edges: np.ndarray) -> np.ndarray:
    """Edges of the bins and of one bin below and above."""
    return np.concatenate([[-np.inf], edges, [np.inf]])


def _inner(h: metrics.Histogram) -> metrics.Histogram:
    """The histogram without the bins below and above, whose entries stay in its total."""
    return metrics.Histogram(h.edges[1:-1], h.counts[1:-1], h.variance[1:-1], h.total)


def _rows(whole: Mapping[str, metrics.Histogram], reference: str, floors: Floors) -> Rows:
    """By sample, the separation power of an observable from the reference, and what goes with it."""
    inner = {name: _inner(h) for name, h in whole.items()}
    # A sample without any energy has no voxel that could lie outside.
    outside = {name: metrics.outside(h) if h.total else 0.0 for name, h in inner.items()}
    return {
        name: {
            "separation": metrics.separation_power(inner[reference], inner[name]),
            "outside": outside[name],
            "outside_reference": outside[reference],
            **metrics.against("separation_all", metrics.separation_power(whole[reference], whole[name]), floor),
        }
        for name, floor in floors.items()
    }
