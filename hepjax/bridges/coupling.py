"""Couplings of unpaired events: entropic optimal transport within small groups."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hepjax.types import Coupled, PRNGKey


def sinkhorn(
    cost: Float[Array, "*batch m n"],
    a: Float[Array, "*batch m"] | None = None,
    b: Float[Array, "*batch n"] | None = None,
    *,
    epsilon: float = 0.05,
    iterations: int = 50,
) -> Float[Array, "*batch m n"]:
    """Logarithm of the entropic optimal transport plan (arXiv:1306.0895), by `iterations` updates of its potentials.

        min_P <P, C> - epsilon mean(C) H(P),   P 1 = a,  P^T 1 = b

    a (..., m), b (..., n): non-negative weights, normalised here; uniform by default. epsilon is relative to the mean
    cost of the group, so that no unit enters. The plan's column sums are exact, its row sums as far as it converged.
    """
    m, n = cost.shape[-2:]
    log_a, log_b = _log_weights(a, m, cost.dtype), _log_weights(b, n, cost.dtype)
    scale = epsilon * jnp.mean(cost, axis=(-2, -1), keepdims=True)
    logits = -cost / jnp.where(scale > 0, scale, 1)

    def update(_, g):
        f = log_a - jax.nn.logsumexp(logits + g[..., None, :], axis=-1)
        return log_b - jax.nn.logsumexp(logits + f[..., None], axis=-2)

    start = jnp.zeros((*cost.shape[:-2], n), cost.dtype)
    g = jax.lax.fori_loop(0, iterations - 1, update, start)
    f = log_a - jax.nn.logsumexp(logits + g[..., None, :], axis=-1)
    g = log_b - jax.nn.logsumexp(logits + f[..., None], axis=-2)
    return logits + f[..., None] + g[..., None, :]


def _log_weights(weight: Float[Array, "*batch m"] | None, size: int, dtype) -> Array:
    """Logarithm of normalised weights; a vanishing weight is a tiny one, so that no infinities meet."""
    if weight is None:
        return jnp.full((size,), -jnp.log(size), dtype)
    weight = jnp.maximum(weight, 0)
    return jnp.log(jnp.maximum(weight / jnp.sum(weight, axis=-1, keepdims=True), jnp.finfo(dtype).tiny))


def repair(key: PRNGKey, batch: Coupled, *, epsilon: float = 0.05, iterations: int = 50) -> Coupled:
    """Give every target event a new partner among the sources of its group, drawn from the optimal transport plan.

    source, target: (..., m, d), where axis -2 is a group of events with nearly the same condition; (m, d) is one group.
    The targets keep their order, condition and weight, so that the learned law of the target given the condition
    is exact; the sources follow their own law on average (minibatch optimal transport, arXiv:2302.00482). The weight
    counts for both margins, a negative one as zero.
    """
    source, target = jax.lax.stop_gradient((batch.source, batch.target))
    weight = batch.weight
    norm = jnp.sum(source**2, axis=-1)[..., :, None] + jnp.sum(target**2, axis=-1)[..., None, :]
    cost = jnp.maximum(norm - 2 * source @ jnp.swapaxes(target, -1, -2), 0)
    plan = sinkhorn(cost, weight, weight, epsilon=epsilon, iterations=iterations)
    partner = jax.random.categorical(key, plan, axis=-2)
    return batch._replace(source=jnp.take_along_axis(batch.source, partner[..., None], axis=-2))
