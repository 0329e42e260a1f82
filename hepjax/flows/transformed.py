"""A density from a bijection and a base."""

from __future__ import annotations

import functools

import jax

from hepjax.caching import cached
from hepjax.flows.base import mean_nll
from hepjax.types import Bijection, Flow


@cached
def transformed(bijection: Bijection, base: Flow) -> Flow:
    """The density of data that `bijection` maps to events of `base`, under the same condition.

    log p(x | c) = log p_base(z | c) + log|dz/dx|,   z = forward(x, c)
    """

    def init(key, batch=None):
        key_bijection, key_base = jax.random.split(key)
        params = bijection.init(key_bijection, batch)
        if batch is not None:
            batch = batch._replace(x=bijection.forward(params, batch.x, batch.cond)[0])
        return {"bijection": params, "base": base.init(key_base, batch)}

    def log_prob(params, x, cond=None):
        z, log_det = bijection.forward(params["bijection"], x, cond)
        return base.log_prob(params["base"], z, cond) + log_det

    @functools.partial(jax.jit, static_argnames="shape")
    def sample(key, params, cond=None, shape=(), rows=None):
        z = base.sample(key, params["base"], cond, shape, rows)
        return bijection.inverse(params["bijection"], z, cond)[0]

    return Flow(init, log_prob, sample, mean_nll(log_prob))
