"""Profile likelihoods."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hepjax.inference.maximum import Bounds, LogProb, Maximum, box_of, maximize, over_events


def profile(
    log_prob: LogProb,
    maximum: Maximum,
    index: int,
    values: Float[Array, "*batch m"],
    bounds: Bounds = None,
    *data: Any,
) -> Maximum:
    """The maximum over all other parameters with theta[index] fixed at each of `values`.

    values: (m,), or (..., m) for every event. log_prob, bounds and data are those of `maximize`, which gave `maximum`,
    where every search starts. Returns a `Maximum` of leading shape (..., m), differentiable in the values too.
    """

    def one(theta, values, box, *data):
        def at(value):
            return maximize(lambda theta: log_prob(theta, *data), theta.at[index].set(value), box.fix(index, value))

        return jax.vmap(at)(values)

    theta = maximum.theta
    values = jnp.broadcast_to(jnp.asarray(values, theta.dtype), (*theta.shape[:-1], jnp.shape(values)[-1]))
    return over_events(one, theta.shape[:-1])(theta, values, box_of(bounds, theta), *data)
