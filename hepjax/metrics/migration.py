"""Migration matrices: where the detector puts events of each bin of particle level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hepjax.metrics.histograms import bin_index
from hepjax.metrics.substructure import label, public_edges
from hepjax.types import Column, InputError, Unfolding

PURITY = 0.4
LEAST_SHARE = 0.003


class Migration(NamedTuple):
    """Sums of weights of simulated events in bins of one observable, each with its variance, the sum of squares.

    edges: (b + 1,), of both levels; the first and the last may be infinite. counts: (b, b), gen bins by reco bins, of
    events in the phase space that are measured. missed: (b,), not measured, by gen bin. fakes: (b,), measured but not
    in the phase space, by reco bin.
    """

    column: Column
    edges: Float[np.ndarray, " b+1"]
    counts: Float[np.ndarray, "b b"]
    variance: Float[np.ndarray, "b b"]
    missed: Float[np.ndarray, " b"]
    missed_variance: Float[np.ndarray, " b"]
    fakes: Float[np.ndarray, " b"]
    fakes_variance: Float[np.ndarray, " b"]

    @property
    def label(self) -> str:
        """Axis label of the observable."""
        return label(self.column)

    @property
    def gen(self) -> Float[np.ndarray, " b"]:
        """Simulated events in the phase space, by gen bin."""
        return self.counts.sum(1) + self.missed

    @property
    def response(self) -> Float[np.ndarray, "b b"]:
        """Probability of each reco bin for an event of each gen bin; rows add up to the efficiency."""
        gen = self.gen[:, None]
        return self.counts / np.where(gen > 0, gen, 1.0)


def migration(simulation: Unfolding, name: str, edges: Float[np.ndarray, " edges"]) -> Migration:
    """Migration matrix of the observable `name` of both levels; values outside the edges go to the end bins.

    Raises InputError for a column that is missing on either level.
    """
    column, gen, reco = _values(simulation, name)
    bins, weight = len(edges) - 1, np.asarray(simulation.weight, np.float64)
    in_gen, in_reco = (np.asarray(passed, bool) for passed in (simulation.pass_gen, simulation.pass_reco))
    # The values of an event that fails may be anything, NaN too: they go anywhere, and are not counted.
    i = bin_index(np.where(in_gen, gen, edges[1]), edges, fold=True)
    j = bin_index(np.where(in_reco, reco, edges[1]), edges, fold=True)

    def sums(rows: np.ndarray, place: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
        return tuple(np.bincount(place, np.where(rows, w, 0.0), minlength=size) for w in (weight, np.square(weight)))

    counts, variance = (s.reshape(bins, bins) for s in sums(in_gen & in_reco, i * bins + j, bins**2))
    missed, fakes = sums(in_gen & ~in_reco, i, bins), sums(in_reco & ~in_gen, j, bins)
    return Migration(column, np.asarray(edges, np.float64), counts, variance, *missed, *fakes)


def pure_edges(simulation: Unfolding, name: str, purity: float = PURITY) -> Float[np.ndarray, " edges"]:
    """Bins wide enough that a fraction `purity` of the events stays in theirs.

    The bins of `public_edges` are merged from the left until, of the measured events that are in a bin at gen and of
    those at reco, that fraction is there at both levels (stability and purity). What lies outside gets bins with
    infinite ends. No bin has less than 0.3 percent of the events: the variance of an empty one would be zero.
    """
    column, gen, _ = _values(simulation, name)
    fine = migration(simulation, name, _open(public_edges(column, gen[np.asarray(simulation.pass_gen, bool)])))
    counts, edges = fine.counts, [fine.edges[1]]
    start, last, least = 1, len(counts) - 1, LEAST_SHARE * counts.sum()
    for stop in range(start + 1, last + 1):
        here = slice(start, stop)
        at_gen, at_reco = counts[here].sum(), counts[:, here].sum()
        if counts[here, here].sum() >= purity * max(at_gen, at_reco) and min(at_gen, at_reco) >= least:
            edges.append(fine.edges[stop])
            start = stop
    edges = [*edges[: max(1, len(edges) - 1)], fine.edges[last]]  # what is left over joins the last bin
    below, above = (min(counts[k].sum(), counts[:, k].sum()) >= least for k in (0, -1))
    return np.array([*([-np.inf] if below else []), *edges, *([np.inf] if above else [])])


def _open(edges: np.ndarray) -> np.ndarray:
    """The edges, and a bin beyond either end."""
    return np.concatenate([[-np.inf], edges, [np.inf]])


def _values(simulation: Unfolding, name: str) -> tuple[Column, np.ndarray, np.ndarray]:
    """The column of a name, and its values at both levels."""
    found = []
    for level, columns in (("gen", simulation.gen_columns), ("reco", simulation.reco_columns)):
        names = [column.name for column in columns]
        if name not in names:
            raise InputError(f"migration: no column {name} of {level}, expected one of {', '.join(names)}")
        found.append(np.asarray(getattr(simulation, level), np.float64)[:, names.index(name)])
    column = next(c for c in simulation.gen_columns if c.name == name)
    return column, found[0], found[1]
