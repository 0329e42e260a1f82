"""Reductions that the losses of every room share."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def weighted_mean(values: Float[Array, "*batch"], weight: Float[Array, "*#batch"] | None = None) -> Float[Array, ""]:
    """Mean of `values` under the events' weights, `sum(w v) / sum(w)`; 0 where all weights vanish.

    Negative weights (NLO generators) are allowed as long as their sum is positive.

    >>> float(weighted_mean(jnp.array([1.0, 4.0]), jnp.array([2.0, 1.0])))
    2.0
    """
    if weight is None:
        return jnp.mean(values)
    total = jnp.sum(jnp.broadcast_to(weight, values.shape))
    return jnp.sum(weight * values) / jnp.where(total == 0, 1, total)
