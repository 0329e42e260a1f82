"""Curvature of a likelihood, Fisher information, and the covariance that is its inverse."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hepjax.inference.maximum import LogProb, over_events
from hepjax.types import InputError


def curvature(log_prob: LogProb, theta: Float[Array, "*batch k"], *data: Any) -> Float[Array, "*batch k k"]:
    """Observed information: the Hessian of -log_prob(theta, *data) for every event, (..., k, k).

    log_prob, theta and data as in `maximize`. At the maximum its `covariance` estimates that of the estimator.
    """
    hessian = jax.hessian(lambda theta, *data: -log_prob(theta, *data))
    return over_events(hessian, theta.shape[:-1])(theta, *data)


def information(
    log_prob: LogProb, theta: Float[Array, " k"], *sample: Any, estimator: str = "curvature"
) -> Float[Array, "k k"]:
    """Fisher information of one event, the expected Hessian of -log_prob: I = -E[d^2 log p] = E[d log p (d log p)^T].

    theta: (k,). sample: pytrees with a leading axis of n events that follow p(x | theta); n I is the information of
    n events. estimator: "curvature", the mean Hessian, or "score", the mean outer product of the scores, which needs
    first derivatives only and is never indefinite. They agree in expectation if the sample follows the model; each
    has its own statistical error of order 1/sqrt(n). Raises InputError for another estimator.

    >>> import jax
    >>> x = 2 * jax.random.normal(jax.random.key(0), (1000,))
    >>> information(lambda theta, x: -((x - theta[0]) ** 2) / 8, jnp.zeros(1), x)
    Array([[0.25]], dtype=float32)
    """
    if estimator not in ("curvature", "score"):
        raise InputError(f"estimator must be 'curvature' or 'score', got {estimator!r}")
    events = len(jax.tree.leaves(sample)[0])
    repeated = jnp.broadcast_to(theta, (events, *theta.shape))
    if estimator == "curvature":
        return curvature(log_prob, repeated, *sample).mean(0)
    scores = jax.vmap(jax.grad(log_prob))(repeated, *sample)
    return scores.T @ scores / events


def covariance(information: Float[Array, "*batch k k"]) -> Float[Array, "*batch k k"]:
    """Inverse of an information matrix or a curvature, by Cholesky; NaN where that is not positive definite.

    >>> covariance(jnp.array([[4.0, 0.0], [0.0, 0.25]]))
    Array([[0.25, 0.  ],
           [0.  , 4.  ]], dtype=float32)
    """
    unit = jnp.sqrt(jnp.diagonal(information, axis1=-2, axis2=-1))
    unit = unit[..., :, None] * unit[..., None, :]
    factor = jax.scipy.linalg.cho_factor(information / unit)
    eye = jnp.broadcast_to(jnp.eye(information.shape[-1], dtype=information.dtype), information.shape)
    return jax.scipy.linalg.cho_solve(factor, eye) / unit
