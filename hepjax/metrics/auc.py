"""Area under the ROC curve with its statistical error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

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
    *,
    groups: tuple[Int[np.ndarray, " n"], Int[np.ndarray, " m"]] | None = None,
) -> Auc:
    """AUC of the scores of two samples: the probability that a positive outscores a negative, ties counting half.

    negative_weight: (n,). positive_weight: (m,). Some weights may be negative, as long as their sum is positive.
    groups: numbers of the negative and of the positive events, the same for those that are not independent, such as
    copies of one event or two results of one measurement; each event on its own by default.

    The error is DeLong's (Biometrics 44 (1988) 837): the spread, over the events of each sample, of the weight of the
    other sample that they outscore. A weighted AUC is a ratio of sums over events, and their spread enters with the
    squared weights; events of a group enter with the sum of their deviations (Obuchowski, Biometrics 53 (1997) 567).
    It is the error of one fixed score; for folds see `cross_validated`. Raises InputError for fewer than two events,
    scores or weights that are not finite, or weights of another shape or without a positive sum.

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
    deviations = np.concatenate([_deviations(above, u, value), _deviations(below, v, value)])
    group = np.arange(n + m) if groups is None else np.unique(np.concatenate(groups), return_inverse=True)[1]
    return Auc(value, float(np.linalg.norm(np.bincount(group, deviations))))


def cross_validated(area: Auc) -> Auc:
    """The AUC of pooled scores of three or more folds, with an error that covers the training too.

    It is that of a fixed score times sqrt(1 + 4 A (1 - A)), A the AUC.

    Every pair of events enters twice, one in the training and the other scored, so that without a difference the
    variance is twice that of a fixed score. To see it, take scores along the difference of the means d_j of the other
    folds: the pooled AUC is a sum of d_j . d_k over ordered pairs of folds. A strong difference fixes the score, and
    leaves the variance as it is. The form in between is calibrated by repeats (experiments/auc_errors.py): at most 4
    percent too small for the spread of a linear score, of trees and of a network, with weights and in pairs.
    """
    return Auc(area.value, area.error * float(np.sqrt(1 + 4 * area.value * (1 - area.value))))


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


def _deviations(values: np.ndarray, shares: np.ndarray, mean: float) -> np.ndarray:
    """What each of n events adds to a weighted mean; the squares of equal weights sum to its unbiased variance."""
    n = len(values)
    return np.sqrt(n / (n - 1)) * shares * (values - mean)
