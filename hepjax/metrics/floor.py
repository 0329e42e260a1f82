"""The statistical floor: what a metric shows between two samples of one law.

The reference is split 200 times into two disjoint random halves, the metric is taken between them, and scaled from the
halves' size to the size of the comparison. A generated sample is as good as the reference can tell while its metric
lies below the 99 percent quantile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int8, Real

from hepjax.metrics.histograms import Histogram, bin_index, separation

PERMUTATIONS = 200
QUANTILE = 0.99
ENTRIES_AT_ONCE = 1 << 21

Halves = Int8[np.ndarray, "permutations n"]
Weight = Float[np.ndarray, " n"] | None


class Floor(NamedTuple):
    """Mean and 99 percent quantile of a metric between samples of one law."""

    mean: float
    top: float


def halves(n: int, permutations: int = PERMUTATIONS) -> Halves:
    """Random disjoint halves of n rows, one pair for each permutation: +1, -1, and 0 for the odd row out.

    Seeded by the number of the permutation, so that a floor is a property of the reference alone.
    """
    h = n // 2
    sides = np.zeros((permutations, n), np.int8)
    for seed, side in enumerate(sides):
        order = np.random.default_rng(seed).permutation(n)
        side[order[:h]], side[order[h : 2 * h]] = 1, -1
    return sides


def against(name: str, value: float, floor: Floor) -> dict[str, float]:
    """A metric with its floor, as reports hold it; the ratio is to the floor's mean."""
    ratio = value / floor.mean if floor.mean > 0 else float(np.inf if value > 0 else 0)
    return {name: value, f"{name}_floor_mean": floor.mean, f"{name}_floor_99": floor.top, f"{name}_ratio": ratio}


def emd_floor(x: Float[np.ndarray, " n *k"], size: int, sides: Halves, weight: Weight = None) -> Floor:
    """Floor of the Wasserstein-1 distance of an observable for two samples of `size` events.

    x: (n,), or (n, k) for k entries an event, which stay together. weight: (n,), of the events. Sorted once: the
    distance between two halves is the sum of |F_1 - F_2| over the gaps of the whole sample. Scales as 1 / sqrt(size).
    """
    x = np.asarray(x, np.float64)
    entries = x[0].size
    order = np.argsort(x, axis=None)
    gaps = np.diff(x.ravel()[order])
    events = order[:-1] // entries
    norm = entries * (len(x) // 2)

    def distances(some: Halves) -> np.ndarray:
        if weight is None:
            return np.abs(np.cumsum(some[:, events], axis=1, dtype=np.int32)) @ gaps / norm
        return np.abs(np.cumsum(_weighted(some, weight)[:, events], axis=1)) @ gaps / entries

    return _summary(_by_chunks(distances, sides, x.size), np.sqrt(len(x) // 2 / size))


def separation_floor(
    x: Float[np.ndarray, " n *k"],
    edges: np.ndarray,
    size: int,
    sides: Halves,
    weight: Weight = None,
    *,
    fold: bool = True,
) -> Floor:
    """Floor of `separation_power` in the bins `edges` for two samples of `size` events.

    x: (n,), or (n, k) for k entries an event, which stay together. weight: (n,), of the events. fold: whether the end
    bins take in the values outside, as in `histogram`. Scales as 1 / size.
    """
    bins = bin_index(x, edges, fold=fold).reshape(len(x), -1)
    table = np.zeros((len(x), len(edges) + 1))
    np.add.at(table, (np.arange(len(x))[:, None], bins + 1), 1.0)
    inside = table[:, 1:-1] if weight is None else table[:, 1:-1] * np.asarray(weight, np.float64)[:, None]
    return _summary(_separations(inside, sides), len(x) // 2 / size)


def pooled_separation_floor(a: Histogram, b: Histogram, permutations: int = PERMUTATIONS) -> Floor:
    """Floor of `separation_power` between two histograms with one entry an event: their events shuffled.

    What random parts of both samples together show, of the sizes of the two: a permutation test, exact for few events
    and empty bins too, where 1 / size is not. Counts in random parts are multivariate hypergeometric, so that no event
    is looked at again. Both samples have to have the same law for the floor to be that of either.
    """
    pooled = np.append(a.counts + b.counts, a.total + b.total - a.counts.sum() - b.counts.sum()).astype(np.int64)
    draw = np.random.default_rng(0).multivariate_hypergeometric
    first = draw(pooled, int(a.total), permutations, method="marginals")
    return _summary(separation(_shares(first[:, :-1]), _shares((pooled - first)[:, :-1])), 1.0)


def pooled_table_floor(
    a: Real[np.ndarray, "n b"], b: Real[np.ndarray, "m b"], permutations: int = PERMUTATIONS
) -> Floor:
    """`pooled_separation_floor` of several entries an event, which stay together: each event's counts in b bins."""
    sides = np.repeat(np.array([1, -1], np.int8), (len(a), len(b)))
    rng = np.random.default_rng(0)
    shuffled = np.stack([rng.permutation(sides) for _ in range(permutations)])
    return _summary(_separations(np.concatenate([a, b]), shuffled), 1.0)


def _separations(table: np.ndarray, sides: Halves) -> np.ndarray:
    """Separation power of the two sides of each permutation, of each event's entries (or weights) in bins."""

    def separations(some: Halves) -> np.ndarray:
        return separation(*(_shares((some == side) @ table) for side in (1, -1)))

    return _by_chunks(separations, sides, len(table))


def statistic_floor(statistic: Callable[[np.ndarray, np.ndarray], float], size: int, sides: Halves) -> Floor:
    """Floor of any `statistic(rows, other_rows)` of two index arrays, which must scale as 1 / sqrt(size)."""
    values = [statistic(np.flatnonzero(side > 0), np.flatnonzero(side < 0)) for side in sides]
    return _summary(np.array(values), np.sqrt(sides.shape[1] // 2 / size))


def _shares(counts: np.ndarray) -> np.ndarray:
    """Fractions of each row; zeros of an empty one."""
    total = counts.sum(axis=1, keepdims=True)
    return counts / np.where(total > 0, total, 1)


def _weighted(some: Halves, weight: np.ndarray) -> np.ndarray:
    """Signed weights of both halves, those of each half with a sum of one in size."""
    halves_of = [np.where(some == side, weight, 0.0) for side in (1, -1)]
    first, second = (half / half.sum(axis=1, keepdims=True) for half in halves_of)
    return first - second


def _by_chunks(function: Callable[[Halves], np.ndarray], sides: Halves, entries: int) -> np.ndarray:
    """Apply to a few permutations at a time, to bound the memory."""
    step = max(1, ENTRIES_AT_ONCE // entries)
    return np.concatenate([function(sides[i : i + step]) for i in range(0, len(sides), step)])


def _summary(values: np.ndarray, scale: float) -> Floor:
    return Floor(float(values.mean() * scale), float(np.quantile(values, QUANTILE) * scale))
