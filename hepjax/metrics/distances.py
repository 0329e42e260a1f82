"""Distances between samples: Wasserstein-1, energy distance.

Functions of arrays whose leading axis counts events. Numpy arrays are computed in float64 by numpy; JAX arrays stay
JAX arrays, so that the one-dimensional distances can be jitted, mapped and differentiated in values and weights.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Real
from scipy.spatial.distance import cdist

from hepjax.metrics.bootstrap import draws, multiplicities
from hepjax.types import InputError

ArrayLike = Array | np.ndarray
ROWS_AT_ONCE = 1024
ENTRIES_AT_ONCE = 1 << 21


def wasserstein(
    a: Real[ArrayLike, " n ..."],
    b: Real[ArrayLike, " m ..."],
    a_weight: Real[ArrayLike, " _"] | None = None,
    b_weight: Real[ArrayLike, " _"] | None = None,
) -> Float[ArrayLike, ...]:
    """Wasserstein-1 distance (earth mover's distance), exact, one for each observable: the integral of |F_a - F_b|.

    a: (n, *observables). b: (m, *observables). a_weight: (n,). b_weight: (m,). Returns (*observables), in the
    observables' units. Weights are normalised to one per sample; they may be negative in part, as some generators make
    them. Equals `scipy.stats.wasserstein_distance` for positive weights. Raises InputError for shapes that differ.

    >>> float(wasserstein(np.array([0.0, 1.0]), np.array([1.0, 2.0])))
    1.0
    """
    xp, gaps, steps = _cdf_steps(a, b, a_weight, b_weight)
    return xp.asarray(xp.sum(xp.abs(steps) * gaps, axis=0))


def wasserstein_bootstraps(
    a: Real[np.ndarray, "n d"],
    b: Real[np.ndarray, "m d"],
    a_weight: Real[np.ndarray, " n"] | None = None,
    b_weight: Real[np.ndarray, " m"] | None = None,
    bootstraps: int = 100,
    seed: int = 0,
) -> Float[np.ndarray, "bootstraps d"]:
    """Wasserstein-1 distances between bootstrap samples of both samples, as unfolding papers quote mean and spread.

    All observables share the events drawn. The mean lies above the distance of the samples themselves, since
    bootstrap samples differ by statistics once more.
    """
    rng = np.random.default_rng(seed)
    values = np.concatenate([a, b], dtype=np.float64)
    order = np.argsort(values, axis=0)
    gaps = np.diff(np.take_along_axis(values, order, axis=0), axis=0)
    step = max(1, ENTRIES_AT_ONCE // len(values))
    distances = []
    for start in range(0, bootstraps, step):
        count = min(step, bootstraps - start)
        signed = np.concatenate([_drawn(a_weight, len(a), count, rng), -_drawn(b_weight, len(b), count, rng)], axis=1)
        columns = range(values.shape[1])
        distances.append([np.abs(np.cumsum(signed[:, order[:-1, k]], axis=1)) @ gaps[:, k] for k in columns])
    return np.concatenate(distances, axis=1).T


def energy_distance(
    a: Real[ArrayLike, " n ..."],
    b: Real[ArrayLike, " m ..."],
    a_weight: Real[ArrayLike, " _"] | None = None,
    b_weight: Real[ArrayLike, " _"] | None = None,
) -> Float[ArrayLike, ...]:
    """One-dimensional energy distance, one for each observable: sqrt(2 int (F_a - F_b)^2), exact.

    Arguments, shapes and errors as for `wasserstein`.
    The square root makes it a metric and is the convention of `scipy.stats.energy_distance`; the square is
    `2 E|a-b| - E|a-a'| - E|b-b'|` (Szekely and Rizzo, J. Stat. Plan. Inference 143 (2013) 1249).
    """
    xp, gaps, steps = _cdf_steps(a, b, a_weight, b_weight)
    return xp.asarray(xp.sqrt(2 * xp.sum(steps**2 * gaps, axis=0)))


def energy_distance_nd(a: np.ndarray, b: np.ndarray) -> float:
    """Energy distance of events in d dimensions: sqrt(2 E|a-b| - E|a-a'| - E|b-b'|) with the Euclidean norm.

    a: (n, d). b: (m, d). The means run over all pairs, an event with itself too, so that one dimension gives
    `energy_distance`. The variables must be on one scale: standardise them first. Costs n m d operations, in memory of
    a few rows. Raises InputError for shapes that differ.
    """
    square = 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)
    return float(np.sqrt(max(square, 0.0)))


def mean_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Mean Euclidean distance over all pairs of a row of `a` (n, d) and a row of `b` (m, d)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"distances need (n, d) and (m, d) arrays, got {a.shape} and {b.shape}")
    chunks = (a[i : i + ROWS_AT_ONCE] for i in range(0, len(a), ROWS_AT_ONCE))
    return float(sum(cdist(rows, b).sum() for rows in chunks) / (len(a) * len(b)))


def _cdf_steps(a, b, a_weight, b_weight) -> tuple[Any, Any, Any]:
    """Array namespace, gaps between neighbouring values of both samples, and F_a - F_b on each gap."""
    xp: Any = jnp if any(isinstance(v, jax.Array) for v in (a, b, a_weight, b_weight)) else np
    a, b = _floating(xp, a), _floating(xp, b)
    if a.shape[1:] != b.shape[1:] or not len(a) or not len(b):
        raise InputError(f"distances need two samples of the same observables, got shapes {a.shape} and {b.shape}")
    values = xp.concatenate([a, b])
    signed = xp.concatenate([_normalised(xp, a_weight, len(a)), -_normalised(xp, b_weight, len(b))])
    order = xp.argsort(values, axis=0)
    gaps = xp.diff(xp.take_along_axis(values, order, axis=0), axis=0)
    return xp, gaps, xp.cumsum(signed[order], axis=0)[:-1]


def _drawn(weight: np.ndarray | None, n: int, bootstraps: int, rng: np.random.Generator) -> np.ndarray:
    """Weights of n events drawn with replacement, of sum one in each bootstrap sample."""
    counts = multiplicities(draws(n, bootstraps, rng)) * (1.0 if weight is None else np.asarray(weight, np.float64))
    return counts / counts.sum(axis=1, keepdims=True)


def _floating(xp: Any, x: ArrayLike) -> Any:
    return xp.asarray(x, np.float64) if xp is np else xp.asarray(x) * 1.0


def _normalised(xp: Any, weight: ArrayLike | None, n: int) -> Any:
    if weight is None:
        return xp.full(n, 1.0 / n)
    w = _floating(xp, weight)
    if w.shape != (n,):
        raise InputError(f"weights need shape ({n},), got {w.shape}")
    return w / xp.sum(w)
