"""Are generated showers copies of the training showers, or rows of the two samples the same?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.stats import ks_2samp
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from hepjax.metrics.subset import subset


class CopyTest(NamedTuple):
    """Distances to the nearest training event, of unseen events and of generated ones.

    unseen_median, generated_median: in standard deviations of the training features. ks_p_value: of the two-sample
    Kolmogorov-Smirnov test. A generator that copies has much smaller distances than unseen events.
    """

    unseen_median: float
    generated_median: float
    ks_p_value: float


class EqualRows(NamedTuple):
    """Rows that equal another one in every value.

    reference, generated: those that repeat an earlier row of their own sample. shared: those of the generated sample
    that the reference holds too.
    """

    reference: int
    generated: int
    shared: int


def copy_test(
    train: Float[np.ndarray, "t d"], unseen: Float[np.ndarray, "n d"], generated: Float[np.ndarray, "m d"]
) -> CopyTest:
    """Compare nearest-neighbour distances to `train` on features standardised there, for equal numbers of events."""
    scale = StandardScaler().fit(train)
    neighbours = NearestNeighbors(n_neighbors=1).fit(scale.transform(train))
    n = min(len(unseen), len(generated))
    same_size = (x[subset(len(x), n)] for x in (unseen, generated))
    to_train = [neighbours.kneighbors(scale.transform(x))[0][:, 0] for x in same_size]
    p_value = np.asarray(ks_2samp(*to_train))[1]
    return CopyTest(float(np.median(to_train[0])), float(np.median(to_train[1])), float(p_value))


def equal_rows(reference: Real[np.ndarray, "n d"], generated: Real[np.ndarray, "m d"]) -> EqualRows:
    """Count the rows that occur more than once within the samples, and in both.

    >>> equal_rows(np.array([[1, 2], [1, 2], [3, 4]]), np.array([[1, 2], [5, 6]]))
    EqualRows(reference=1, generated=0, shared=1)
    """
    numbers = row_numbers(np.concatenate([reference, generated]))
    first, second = numbers[: len(reference)], numbers[len(reference) :]
    repeats = [len(part) - len(np.unique(part)) for part in (first, second)]
    return EqualRows(repeats[0], repeats[1], int(np.isin(second, first).sum()))


def row_numbers(x: Real[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
    """A number for each row, the same for equal rows: 0 up to the number of different rows less one.

    >>> row_numbers(np.array([[1, 2], [3, 4], [1, 2]]))
    array([0, 1, 0])
    """
    seen: dict[bytes, int] = {}
    rows = np.ascontiguousarray(x, np.float64) + 0.0  # so that -0 is 0
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in rows], np.int64)
