"""Area under the ROC curve with its statistical error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hepjax.types import InputError


class Auc(NamedTuple):
    """Area under the ROC curve and its standard error."""

    value: float
    error: float


def auc(
    negative: Float[np.ndarray, " n"],
    positive: Float[np.ndarray, " m"],
    negative_weight: Float[np.ndarray, " _"] | None = None,
    positive_weight: Float[np.ndarray, " _"] | None = None,
) -> Auc:
    """AUC of the scores of two samples: the probability that a positive outscores a negative, ties counting half.

    negative_weight: (n,). positive_weight: (m,). Some weights may be negative, as long as their sum is positive.

    The error is DeLong's (Biometrics 44 (1988) 837): the spread, over the events of each sample, of the weight of
    the other sample that they outscore. A weighted AUC is a ratio of sums over events, and their spread enters with
    the squared weights. Raises InputError for fewer than two events, scores or weights that are not finite, or
    weights of another shape or without a positive sum.

    >>> auc(np.array([0.1, 0.4, 0.35]), np.array([0.8, 0.3])).value
    0.6666666666666666
    """
    negative, positive = np.asarray(negative, np.float64), np.asarray(positive, np.float64)
    n, m = len(negative), len(positive)
    if n < 2 or m < 2:
        raise InputError(f"an AUC with error needs two events of each sample, got {n} and {m}")
    if not (np.isfinite(negative).all() and np.isfinite(positive).all()):
        raise InputError("an AUC needs finite scores")
    u, v = _shares(negative_weight, n), _shares(positive_weight, m)
    below = _below(positive, negative, u)
    above = 1 - _below(negative, positive, v)
    value = float(v @ below)
    return Auc(value, float(np.sqrt(_variance(below, v, value) + _variance(above, u, value))))


def _shares(weight: np.ndarray | None, n: int) -> np.ndarray:
    """Weights that add up to one."""
    weight = np.ones(n) if weight is None else np.asarray(weight, np.float64)
    if weight.shape != (n,) or not np.isfinite(weight).all() or not weight.sum() > 0:
        raise InputError(f"an AUC needs {n} finite weights with a positive sum, got shape {weight.shape}")
    return weight / weight.sum()


def _below(scores: np.ndarray, others: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Share of the other sample with a lower score than each of `scores`; that of an equal one counts half."""
    order = np.argsort(others)
    sums = np.concatenate([[0.0], np.cumsum(shares[order])])
    left, right = (np.searchsorted(others[order], scores, side) for side in ("left", "right"))
    return 0.5 * (sums[left] + sums[right])


def _variance(values: np.ndarray, shares: np.ndarray, mean: float) -> float:
    """Variance of a weighted mean of n events; of equal weights, the unbiased variance over n."""
    n = len(values)
    return float(n / (n - 1) * np.square(shares) @ np.square(values - mean))
