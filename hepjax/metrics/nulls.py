"""What distances between a truth and unfolded events show where both have one law: their null, by resampling.

Three situations, told by the row of the truth that each unfolded event belongs to (`rows`):

paired        every event has its truth, as posteriors unfold the truth's own events. Values and weights of both are
              swapped within random events, and the distance is taken again. Truth and unfolded event share what was
              measured, so that they differ less than two independent samples do.
partly        some events have no partner, since they fail the selection of one level: bootstraps of the events, a truth
              and its unfolded event together.
independent   no event has a partner, as OmniFold weights the simulation's events: bootstraps of both samples.

Swaps need truth and unfolded event of one law given what was measured. With weights the laws differ, (x, u) against
(y, v), and what remains true under the null is that an event's part in the difference of both distributions,
v 1(y < t) - u 1(x < t), has mean zero. Swaps turn its sign at random, which keeps its covariance (a wild bootstrap):
the null is exact without weights, and right for many events with them. Bootstraps are centred: the distance of their
difference of distributions to the observed one. Weights are taken as they are. How they vary with the data that they
were learned from is no part of the null, but of the unfolding's error.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from hepjax.metrics.floor import ENTRIES_AT_ONCE, PERMUTATIONS, QUANTILE, Floor
from hepjax.metrics.histograms import bin_index, separation

Null = Literal["paired", "partly", "independent"]
Weights = Float[np.ndarray, "resamples entries"]


class Weighted(NamedTuple):
    """A sample: values (n, d) and weights (n,)."""

    x: Float[np.ndarray, "n d"]
    weight: Float[np.ndarray, " n"]


class Nulls(NamedTuple):
    """Of one observable: of the Wasserstein-1 distance, and of the separation power in bins."""

    emd: Floor
    separation: Floor


def kind(events: int, rows: Int[np.ndarray, " m"]) -> Null:
    """The null of unfolded events with these rows of a truth with so many events."""
    if (rows < 0).all():
        return "independent"
    return "paired" if np.array_equal(np.sort(rows), np.arange(events)) else "partly"


def nulls(
    truth: Weighted,
    other: Weighted,
    rows: Int[np.ndarray, " m"],
    edges: Sequence[Float[np.ndarray, " edges"]],
    resamples: int = PERMUTATIONS,
) -> tuple[Nulls, ...]:
    """The null of each observable.

    rows: of the truth, of each event of `other`; -1 where it has none. edges: of each observable, which have to hold
    values of both samples.
    """
    swap = kind(len(truth.x), rows) == "paired"
    draw = _swaps(truth.weight, other.weight, rows) if swap else _bootstraps(truth.weight, other.weight, rows)
    values = np.concatenate([truth.x, other.x]).astype(np.float64)
    columns = [_Column.of(x, e) for x, e in zip(values.T, edges, strict=True)]
    observed = None if swap else _observed(truth.weight, other.weight)
    step = max(1, ENTRIES_AT_ONCE // len(values))
    found = [
        [column.distances(*draw(range(start, min(start + step, resamples))), observed) for column in columns]
        for start in range(0, resamples, step)
    ]
    return tuple(
        Nulls(*(_floor(np.concatenate(parts)) for parts in zip(*of_column, strict=True)))
        for of_column in zip(*found, strict=True)
    )


class _Column(NamedTuple):
    """One observable of both samples, sorted and binned once."""

    order: Int[np.ndarray, " entries"]
    gaps: Float[np.ndarray, " entries-1"]
    table: Float[np.ndarray, "entries bins"]

    @classmethod
    def of(cls, x: np.ndarray, edges: np.ndarray) -> _Column:
        order, bins = np.argsort(x), bin_index(x, edges, fold=False)
        return cls(order[:-1], np.diff(x[order]), (bins[:, None] == np.arange(len(edges) - 1)).astype(np.float64))

    def distances(
        self, first: Weights, second: Weights, observed: tuple[np.ndarray, np.ndarray] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """EMD and separation power between two weightings of the entries; with `observed`, of changes from there."""
        signed = _shares(first) - _shares(second)
        p, q = _shares(first @ self.table), _shares(second @ self.table)
        if observed is None:
            separations = separation(p, q)
        else:
            a, b = observed
            signed = signed - (_shares(a) - _shares(b))
            u, v = _shares(a @ self.table), _shares(b @ self.table)
            separations = 0.5 * np.sum(np.square(p - q - (u - v)) / np.where(u + v > 0, u + v, 1.0), axis=1)
        return np.abs(np.cumsum(signed[:, self.order], axis=1)) @ self.gaps, separations


def _swaps(u: np.ndarray, v: np.ndarray, rows: np.ndarray) -> Callable[[range], tuple[Weights, Weights]]:
    def draw(numbers: range) -> tuple[Weights, Weights]:
        stays = np.stack([np.random.default_rng(k).random(len(u)) < 0.5 for k in numbers])
        stays = np.concatenate([stays, ~stays[:, rows]], axis=1)
        both = np.concatenate([u, v])
        return np.where(stays, both, 0.0), np.where(stays, 0.0, both)

    return draw


def _bootstraps(u: np.ndarray, v: np.ndarray, rows: np.ndarray) -> Callable[[range], tuple[Weights, Weights]]:
    alone = rows < 0
    units = len(u) + int(alone.sum())
    unit = np.where(alone, len(u) + np.cumsum(alone) - 1, rows)
    of_truth, of_other = _observed(u, v)

    def draw(numbers: range) -> tuple[Weights, Weights]:
        times = np.stack([_multiplicities(np.random.default_rng(k), units) for k in numbers])
        times = np.concatenate([times[:, : len(u)], times[:, unit]], axis=1)
        return times * of_truth, times * of_other

    return draw


def _observed(u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of all entries, of the truth and of the unfolded sample."""
    return np.concatenate([u, 0 * v])[None], np.concatenate([0 * u, v])[None]


def _multiplicities(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.bincount(rng.integers(n, size=n), minlength=n)


def _shares(weight: np.ndarray) -> np.ndarray:
    """Fractions of each row; zeros of one that adds up to nothing."""
    total = weight.sum(axis=1, keepdims=True)
    return weight / np.where(total != 0, total, 1.0)


def _floor(values: np.ndarray) -> Floor:
    """Mean and 99 percent quantile: by Weibull's plotting position, beyond which one percent of further draws lie."""
    return Floor(float(values.mean()), float(np.quantile(values, QUANTILE, method="weibull")))
