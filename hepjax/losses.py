"""Reductions that the losses of every room share."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float


def weighted_mean(values: Float[Array, "*batch"], weight: Float[Array, "*#batch"] | None = None) -> Float[Array, ""]:
    """Mean of weight times value, for weights of mean one over the sample, as `training.fit` makes them.

    It is linear in the events: batches have the loss of the sample on average, and pieces of equal size that of their
    batch exactly, also where weights are broad or negative in part (NLO generators). Divided by the batch's own sum of
    weights it would be a ratio of two random numbers: biased, and without bound where the sum may vanish.

    >>> float(weighted_mean(jnp.array([1.0, 4.0]), jnp.array([1.5, 0.5])))
    1.75
    """
    return jnp.mean(values if weight is None else weight * values)
