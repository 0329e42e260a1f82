"""Bootstrap samples of events, all at once, and the errors they give (Efron, Ann. Statist. 7 (1979) 1)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Int

BOOTSTRAPS = 200


class Estimate(NamedTuple):
    """A number with its standard error."""

    value: float
    error: float


def draws(n: int, bootstraps: int = BOOTSTRAPS, seed: int | np.random.Generator = 0) -> Int[np.ndarray, "bootstraps n"]:
    """Rows of n events drawn with replacement, for each of the bootstrap samples."""
    return np.random.default_rng(seed).integers(n, size=(bootstraps, n))


def multiplicities(rows: Int[np.ndarray, "bootstraps n"]) -> Int[np.ndarray, "bootstraps n"]:
    """How often each of the n events was drawn.

    >>> multiplicities(np.array([[0, 2, 2]]))
    array([[1, 0, 2]])
    """
    bootstraps, n = rows.shape
    places = rows + n * np.arange(bootstraps)[:, None]
    return np.bincount(places.ravel(), minlength=rows.size).reshape(bootstraps, n)
