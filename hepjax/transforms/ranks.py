"""Where the values of a column stand among the others: quantiles, and back."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


def quantiles(
    column: Float[np.ndarray, " n"], weight: Float[np.ndarray, " n"], level: Float[np.ndarray, " k"]
) -> Float[np.ndarray, " k"]:
    """Weighted quantiles at rising levels, the outermost ones at the ends of the sample; equal where values are.

    >>> quantiles(np.array([3.0, 1.0, 2.0]), np.ones(3), np.array([0.0, 0.5, 0.75]))
    array([1.  , 2.  , 2.75])
    """
    order = np.argsort(column, kind="stable")
    column, weight = np.asarray(column, np.float64)[order], np.asarray(weight, np.float64)[order]
    weight = weight if weight.sum() > 0 else np.ones_like(weight)
    centre = np.cumsum(weight) - 0.5 * weight
    return np.interp(level, centre / weight.sum(), column)


def ranks(
    x: Float[Array, " *batch"], values: Float[Array, " k"], scores: Float[Array, " k"]
) -> tuple[Float[Array, " *batch"], Float[Array, " *batch"]]:
    """The least and the greatest score of x by a table of quantiles, which are linear between scores.

    values: rising, equal ones for a value that many events share. The two scores differ for such a value alone; those
    of x beyond the table are that at its end.
    """
    first, beyond = (jnp.searchsorted(values, x, side=side) for side in ("left", "right"))
    above = jnp.clip(first, 1, len(values) - 1)
    start, width = values[above - 1], values[above] - values[above - 1]
    share = jnp.clip((x - start) / jnp.where(width > 0, width, 1), 0, 1)
    between = scores[above - 1] + share * (scores[above] - scores[above - 1])
    shared = beyond > first
    last = len(values) - 1
    low, high = scores[jnp.minimum(first, last)], scores[jnp.clip(beyond - 1, 0, last)]
    return jnp.where(shared, low, between), jnp.where(shared, high, between)
