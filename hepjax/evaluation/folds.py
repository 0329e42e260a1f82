"""Folds of two samples for a classifier two-sample test: every event is scored by a classifier that has not seen it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.model_selection import StratifiedKFold

from hepjax.metrics import subset
from hepjax.metrics.copies import row_numbers
from hepjax.types import InputError

FOLDS = 3
# Equal rows in larger numbers are a point of the law, as an empty shower or a low integer is, and no copies.
MOST_COPIES = 10
POINT_SHARE = 0.01
LARGEST_GROUP = 0.1


class Folds(NamedTuple):
    """Two samples of equal size n, one after the other, in folds.

    x: (2 n, d). label: (2 n,), 0 and 1. group: (2 n,), the same number for events that stay in one fold. rows: those of
    each sample that were taken, (n,) each. parts: rows of `x` to train on and to score, one pair a fold.
    """

    x: np.ndarray
    label: np.ndarray
    group: np.ndarray
    rows: tuple[np.ndarray, np.ndarray]
    parts: list[tuple[np.ndarray, np.ndarray]]


def split_folds(reference: np.ndarray, generated: np.ndarray, *, paired: bool = False) -> Folds:
    """Both samples at the size of the smaller, of which random rows of the larger are taken, in three folds.

    Equal rows stay in one fold, within a sample and across: a classifier that has trained on one of them knows the
    other, takes it for the same sample, and the AUC of copies falls below a half. Rows that make up more than one
    percent are a point of the law and no copies. paired: whether equal places may be of one event, as in a sample
    unfolded from what was measured of the reference, of the same size; these stay in one fold for the same reason.

    Folds hold equal parts of both samples. All train on the same number of rows (a few are left out), so that a network
    compiles once. Raises InputError for samples of different width, with values that are not finite, or with fewer than
    two different events a fold.
    """
    n = min(len(reference), len(generated))
    if np.ndim(reference) != 2 or np.shape(reference)[1:] != np.shape(generated)[1:] or n < 2 * FOLDS:
        found = f"shapes {np.shape(reference)} and {np.shape(generated)}"
        raise InputError(f"two-sample test: expected (n, d) and (m, d) with at least {2 * FOLDS} rows, got {found}")
    rows = subset(len(reference), n), subset(len(generated), n)
    x = np.concatenate([reference[rows[0]], generated[rows[1]]])
    if not np.isfinite(x).all():
        raise InputError("two-sample test: expected finite values")
    label = np.repeat([0, 1], n)
    group = _groups(x, paired=paired and len(reference) == len(generated))
    if (different := int(group.max()) + 1) < 2 * FOLDS:
        raise InputError(f"two-sample test: {different} different events, expected at least {2 * FOLDS}")
    fold = _fold_of_groups(group, label)[group]
    parts = [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(FOLDS)]
    size = min(len(train) for train, _ in parts)
    # Rows come in order of their class: what is left out is drawn from both.
    keep = np.linspace(0, 1, size)
    parts = [(train[np.round(keep * (len(train) - 1)).astype(int)], test) for train, test in parts]
    return Folds(x, label, group, rows, parts)


def _groups(x: np.ndarray, *, paired: bool) -> np.ndarray:
    """Numbers of the groups that stay together: equal rows, and with `paired` those of one place too."""
    numbers, n = row_numbers(x), len(x) // 2
    point = (np.bincount(numbers) > max(MOST_COPIES, POINT_SHARE * len(x)))[numbers]
    numbers = np.where(point, len(x) + np.arange(len(x)), numbers)
    _, numbers = np.unique(numbers, return_inverse=True)
    if not paired:
        return numbers
    count = numbers.max() + 1
    pairs = coo_array((np.ones(n), (numbers[:n], numbers[n:])), shape=(count, count))
    joined = connected_components(pairs, directed=False)[1][numbers]
    # Copies in another order than their originals chain the pairs to one group; then equal places mean nothing.
    chained = np.bincount(joined).max() > max(MOST_COPIES, LARGEST_GROUP * len(x))
    return numbers if chained else joined


def _fold_of_groups(group: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The fold of each group, those with as many events of either sample spread evenly over the folds."""
    content = np.stack([np.bincount(group, label == k) for k in (0, 1)], axis=1)
    _, kind, counts = np.unique(content, axis=0, return_inverse=True, return_counts=True)
    kind = kind.ravel()
    kind = np.where(counts[kind] < FOLDS, counts.argmax(), kind)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(content, kind)
    fold = np.empty(len(content), int)
    for k, (_, test) in enumerate(folds):
        fold[test] = k
    return fold
