"""Weighted histograms with their statistical errors, and the distances defined on them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real

from hepjax.types import InputError

ROUNDING = 1e-9
"""Shares of a sample below this are rounding of its sum of weights."""


class Histogram(NamedTuple):
    """A weighted histogram of a sample.

    edges: (b + 1,) in the units of the observable. counts: (b,) sums of weights. variance: (b,) sums of squared
    weights. total: the sum of all weights, of values outside the edges too.
    """

    edges: Float[np.ndarray, " b+1"]
    counts: Float[np.ndarray, " b"]
    variance: Float[np.ndarray, " b"]
    total: float


def histogram(
    x: Real[np.ndarray, " *events"],
    edges: Float[np.ndarray, " edges"],
    weight: Real[np.ndarray, " *events"] | None = None,
    *,
    fold: bool = False,
) -> Histogram:
    """Histogram of the values `x` of any shape; bins are closed on the left, the last one on both sides.

    Values outside the edges stay out of the bins but count in `total`; with `fold` they go to the first and last bin.
    """
    edges = np.asarray(edges, np.float64)
    if edges.ndim != 1 or len(edges) < 2 or not (np.diff(edges) > 0).all():
        raise InputError("histogram edges must be one increasing row of at least two numbers")
    bins = bin_index(x, edges, fold=fold).ravel()
    weight = np.ones(bins.size) if weight is None else np.broadcast_to(weight, np.shape(x)).astype(np.float64).ravel()
    inside = (bins >= 0) & (bins < len(edges) - 1)
    counts, variance = (
        np.bincount(bins[inside], w[inside], minlength=len(edges) - 1) for w in (weight, np.square(weight))
    )
    return Histogram(edges, counts, variance, float(weight.sum()))


def bin_index(x: Real[np.ndarray, " *events"], edges: Float[np.ndarray, " edges"], *, fold: bool) -> np.ndarray:
    """Bin of each value: 0..b-1, -1 below and b above the edges; with `fold` 0 and b - 1 take those in."""
    x, last = np.asarray(x, np.float64), len(edges) - 2
    bins = np.searchsorted(edges, x, side="right") - 1
    bins = np.where(x == edges[-1], last, bins)
    return np.clip(bins, 0, last) if fold else bins


def density(h: Histogram) -> tuple[np.ndarray, np.ndarray]:
    """Density and its statistical error, both (b,): integrates to the fraction of the sample inside the edges."""
    scale = 1 / (np.diff(h.edges) * h.total)
    return h.counts * scale, np.sqrt(h.variance) * scale


def probabilities(h: Histogram) -> np.ndarray:
    """Fraction in each bin of what lies inside the edges (see `outside`); zeros where nothing does."""
    return h.counts / (h.counts.sum() or 1.0)


def outside(h: Histogram) -> float:
    """Share of the sample below the first edge or above the last, which `probabilities` leaves out.

    >>> outside(histogram(np.array([-1.0, 0.5, 2.0, 0.1]), np.array([0.0, 1.0])))
    0.5
    """
    share = 1 - h.counts.sum() / h.total
    return float(share) if abs(share) > ROUNDING else 0.0


def separation_power(a: Histogram, b: Histogram) -> float:
    """Separation power of the CaloChallenge: 1/2 sum (p - q)^2 / (p + q) over bin probabilities (arXiv:2410.21611).

    0 for equal histograms, 1 for disjoint ones, and for one that is empty inside the edges while the other is not. By
    that definition what lies outside the edges does not count: `outside` says how much that is. For two samples of n
    events of one law in b filled bins its mean is close to (b - 1) / (2 n).
    """
    if not np.array_equal(a.edges, b.edges):
        raise InputError("separation power needs two histograms with the same edges")
    return float(separation(probabilities(a), probabilities(b)))


def separation(p: Float[np.ndarray, "*batch b"], q: Float[np.ndarray, "*batch b"]) -> Float[np.ndarray, "*batch"]:
    """1/2 sum (p - q)^2 / (p + q) over the last axis: 0 from bins empty in both, 1 where one alone is all empty."""
    total = p + q
    value = 0.5 * np.sum(np.square(p - q) / np.where(total > 0, total, 1.0), axis=-1)
    return np.where(p.any(-1) == q.any(-1), value, 1.0)


def triangular_discriminator(a: Histogram, b: Histogram) -> float:
    """Triangular discriminator in the unit of unfolding comparisons (arXiv:2404.18807): 1e3 times `separation_power`.

    There it is written on densities, 1e3 sum 1/2 w (f - g)^2 / (f + g) with bin widths w; the widths cancel.
    """
    return 1e3 * separation_power(a, b)


def linear_edges(*samples: np.ndarray, bins: int = 50, coverage: float = 1.0) -> np.ndarray:
    """Equal bins over the central `coverage` of each sample's values, the union of their ranges."""
    tail = 0.5 * (1 - coverage)
    ends = np.array([np.quantile(s, [tail, 1 - tail]) for s in samples], np.float64)
    low, high = ends[:, 0].min(), ends[:, 1].max()
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def log_edges(low: float, high: float, bins: int = 50) -> np.ndarray:
    """Edges at equal steps of the logarithm, `low` and `high` exact. Raises InputError unless 0 < low < high."""
    if not 0 < low < high:
        raise InputError(f"logarithmic edges need 0 < low < high, got {low} and {high}")
    edges = np.geomspace(low, high, bins + 1)
    edges[[0, -1]] = low, high
    return edges
