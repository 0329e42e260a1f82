"""Distributions to start from, each a `Flow` of its own; distrax brings the densities and the draws."""

from __future__ import annotations

from collections.abc import Callable

import distrax
import jax
import jax.numpy as jnp
from jaxtyping import Array

from hepjax import dynamics, nets
from hepjax.caching import cached
from hepjax.draws import draw_normal
from hepjax.losses import weighted_mean
from hepjax.types import Flow, Net, Params

MIN_SCALE = 1e-3


@cached
def normal(dim: int) -> Flow:
    """Independent standard normal coordinates, whatever the condition; nothing to train."""

    def distribution(params, cond):
        return distrax.MultivariateNormalDiag(jnp.zeros(dim), jnp.ones(dim))

    # The numbers that distrax draws, under the name by which an export finds them.
    return _flow(_nothing, distribution, lambda key, params, cond: draw_normal(key, (dim,)))


@cached
def logistic(dim: int) -> Flow:
    """Independent standard logistic coordinates, whatever the condition; nothing to train."""
    return _flow(_nothing, lambda params, cond: distrax.Independent(distrax.Logistic(jnp.zeros(dim), jnp.ones(dim)), 1))


@cached
def conditional_normal(dim: int, dim_cond: int, hidden: tuple[int, ...] = (64, 64)) -> Flow:
    """Independent normal coordinates whose means and widths a perceptron reads off the condition; starts standard."""
    net = nets.mlp(dim_cond, 2 * dim, hidden, zero_output=True)

    def distribution(params, cond):
        mean, raw = jnp.split(_read(net, params, cond), 2, axis=-1)
        return distrax.MultivariateNormalDiag(mean, _scale(raw))

    return _flow(net.init, distribution)


@cached
def mixture_of_normals(dim: int, components: int, *, dim_cond: int = 0, hidden: tuple[int, ...] = (64, 64)) -> Flow:
    """Mixture of normal distributions with diagonal covariance.

    Weights, means and widths are parameters, to which a perceptron adds where there is a condition. The means start
    at standard normal draws.
    """
    sizes = components, components * dim, components * dim
    net = nets.mlp(dim_cond, sum(sizes), hidden, zero_output=True) if dim_cond else None

    def init(key, batch=None):
        key_means, key_net = jax.random.split(key)
        means = jax.random.normal(key_means, (components * dim,))
        theta = jnp.concatenate([jnp.zeros(components), means, jnp.zeros(components * dim)])
        return {"theta": theta} | ({"net": net.init(key_net)} if net else {})

    def distribution(params, cond):
        theta = params["theta"] + (_read(net, params["net"], cond) if net else 0)
        logits, means, raw = jnp.split(theta, (components, components * (dim + 1)), axis=-1)
        means, raw = (a.reshape(*a.shape[:-1], components, dim) for a in (means, raw))
        parts = distrax.MultivariateNormalDiag(means, _scale(raw))
        return distrax.MixtureSameFamily(distrax.Categorical(logits), parts)

    return _flow(init, distribution)


def mean_nll(log_prob: Callable[..., Array]) -> Callable:
    """The loss of a density: (key, params, batch of `Events`) -> (weighted mean of -log p in nats, {})."""

    def loss(key, params, batch):
        del key
        return weighted_mean(-log_prob(params, batch.x, batch.cond), batch.weight), {}

    return loss


def _flow(
    init: Callable[..., Params], distribution: Callable[..., distrax.Distribution], draw: Callable | None = None
) -> Flow:
    """A flow from (params, cond) -> distribution of events (d,). draw: its (key, params, cond) -> one event."""
    draw = draw or (lambda key, params, cond: distribution(params, cond).sample(seed=key))

    def log_prob(params, x, cond=None):
        return jnp.asarray(distribution(params, cond).log_prob(x))

    def sample(key, params, cond=None, shape=(), rows=None):
        leading = (*shape, *(() if cond is None else cond.shape[:-1]))
        keys = dynamics.event_keys(key, leading, rows).reshape(-1)
        if cond is not None:
            cond = jnp.broadcast_to(cond, (*leading, cond.shape[-1])).reshape(-1, cond.shape[-1])
        x = jax.vmap(lambda key, cond: draw(key, params, cond))(keys, cond)
        return x.reshape(*leading, -1)

    return Flow(init, log_prob, sample, mean_nll(log_prob))


def _read(net: Net, params: Params, cond: Array | None) -> Array:
    """What a net makes of the condition."""
    if cond is None:
        raise ValueError("this base was made with conditions, got none")
    return net.apply(params, cond)


def _nothing(key, batch=None):
    return {}


def _scale(raw: Array) -> Array:
    """Widths from unbounded parameters: smooth, one at zero, and over a floor."""
    return MIN_SCALE + jax.nn.softplus(raw + jnp.log(jnp.expm1(1 - MIN_SCALE)))
