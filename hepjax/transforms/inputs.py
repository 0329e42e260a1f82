"""From observables of an event to the inputs of a classifier, of order one whatever the columns hold.

An observable enters by its normal score, so that neither heavy tails, nor outliers, nor a fill value of -999 decide the
scale of all others. Each of its point masses has an input of its own that says whether the event is at it; its score is
then zero, and scores of other values are those among themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes
from jaxtyping import Array, Float
from scipy.special import ndtr, ndtri

from hepjax.caching import cached
from hepjax.columns import point_masses
from hepjax.transforms.host import floats
from hepjax.transforms.ranks import quantiles, ranks
from hepjax.types import AnyArray

KNOTS = 257

Masses = tuple[tuple[int, float], ...]
"""Columns and values of all point masses: static, as they make the number of inputs."""


class Inputs(NamedTuple):
    """A table of normal scores. scores: (k,). values: (d, k), quantiles of every observable beside its point masses."""

    scores: Float[Array, " k"]
    values: Float[Array, "d k"]


class Fitted(NamedTuple):
    """What brings observables (..., d) to the inputs of a classifier (..., d + number of point masses)."""

    masses: Masses
    constants: Inputs

    def __call__(self, x: Float[AnyArray, "*batch d"]) -> Float[Array, "*batch e"]:
        return apply(self.masses)(self.constants, jnp.asarray(x, float))


def fit(*samples: tuple[Float[AnyArray, "_ d"], Float[AnyArray, " _"]]) -> Fitted:
    """Point masses and tables of observables with their weights, of one sample or of several that count alike.

    What a weight's sign is does not matter here.
    """
    tables = [np.asarray(x, dtypes.canonicalize_dtype(float)) for x, _ in samples]
    sizes = [np.abs(np.asarray(weight, np.float64)) for _, weight in samples]
    x, weight = np.concatenate(tables), np.concatenate([size / (size.sum() or 1.0) for size in sizes])
    masses = tuple((j, value) for j, column in enumerate(x.T) for value in point_masses(column))
    reach = float(-ndtri(0.5 / max(len(x), 2)))
    scores = np.linspace(-reach, reach, KNOTS)
    beside = np.stack([~np.isin(x[:, j], [value for at, value in masses if at == j]) for j in range(x.shape[1])])
    values = [quantiles(x[b, j], weight[b], ndtr(scores)) for j, b in enumerate(beside)]
    return Fitted(masses, Inputs(*floats(scores, np.reshape(values, (x.shape[1], KNOTS)))))


@cached
def apply(masses: Masses) -> Callable[[Inputs, Array], Array]:
    """Compiled (constants, x (..., d)) -> (..., d + number of point masses).

    Equal values get the middle of their scores, and what lies beyond the table the score of its end; a point mass 0.
    """
    columns, places = np.array([j for j, _ in masses], np.int32), np.array([value for _, value in masses])

    @jax.jit
    def inputs(constants, x):
        low, high = jax.vmap(ranks, (-1, 0, None), -1)(x, constants.values, constants.scores)
        scores = 0.5 * (low + high)
        if not masses:
            return scores
        at = x[..., columns] == jnp.asarray(places, x.dtype)
        massive = jnp.zeros(x.shape, bool).at[..., columns].max(at)
        return jnp.concatenate([jnp.where(massive, 0, scores), at.astype(x.dtype)], -1)

    return inputs


def untrained(dim: int) -> Inputs:
    """Tables of the right shapes."""
    return Inputs(jnp.zeros(KNOTS), jnp.zeros((dim, KNOTS)))
