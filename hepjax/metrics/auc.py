"""Area under the ROC curve with its statistical error."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from hepjax.types import InputError


class Auc(NamedTuple):
    """Area under the ROC curve and its standard error."""

    value: float
    error: float


def auc(negative: Float[np.ndarray, " n"], positive: Float[np.ndarray, " m"]) -> Auc:
    """AUC of the scores of two samples: the probability that a positive outscores a negative, ties counting half.

    The error is DeLong's (Biometrics 44 (1988) 837): the spread, over the events of each sample, of the fraction of
    the other sample that they outscore. Computed from ranks (Sun and Xu, IEEE Signal Process. Lett. 21 (2014) 1389).

    >>> auc(np.array([0.1, 0.4, 0.35]), np.array([0.8, 0.3])).value
    0.6666666666666666
    """
    negative, positive = np.asarray(negative, np.float64), np.asarray(positive, np.float64)
    n, m = len(negative), len(positive)
    if n < 2 or m < 2:
        raise InputError(f"an AUC with error needs two events of each sample, got {n} and {m}")
    if not (np.isfinite(negative).all() and np.isfinite(positive).all()):
        raise InputError("an AUC needs finite scores")
    ranks = rankdata(np.concatenate([negative, positive]))
    below = (ranks[n:] - rankdata(positive)) / n
    above = 1 - (ranks[:n] - rankdata(negative)) / m
    return Auc(float(below.mean()), float(np.sqrt(below.var(ddof=1) / m + above.var(ddof=1) / n)))
