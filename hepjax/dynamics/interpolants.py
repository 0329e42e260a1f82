"""Points between a target event x0 (t = 0) and a source event x1 (t = 1)."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Events = Float[Array, "*batch d"]
Times = Float[Array, "*batch"]


def linear(x0: Events, x1: Events, t: Times) -> Events:
    """`(1 - t) x0 + t x1`, the straight line of flow matching (arXiv:2302.00482)."""
    return x0 + t[..., None] * (x1 - x0)


def brownian(x0: Events, x1: Events, t: Times, sigma: float, eps: Events) -> Events:
    """`(1 - t) x0 + t x1 + sigma sqrt(t (1 - t)) eps`, a point of the Brownian bridge if eps is standard normal."""
    return linear(x0, x1, t) + sigma * jnp.sqrt(t * (1 - t))[..., None] * eps
