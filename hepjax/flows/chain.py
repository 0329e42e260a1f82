"""Bijections to compose: a chain, permutations, a linear map, activation normalisation, and the inverse of any."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hepjax.caching import cached
from hepjax.types import Bijection


def chain(*bijections: Bijection) -> Bijection:
    """Bijections one after the other, the first acts on the data; parameters are a tuple.

    Starts that depend on data see the batch as the bijections before leave it.
    """
    return _chain(bijections)


@cached
def _chain(bijections: tuple[Bijection, ...]) -> Bijection:
    def init(key, batch=None):
        params = []
        for k, bijection in zip(jax.random.split(key, len(bijections)), bijections, strict=True):
            params.append(bijection.init(k, batch))
            if batch is not None:
                batch = batch._replace(x=bijection.forward(params[-1], batch.x, batch.cond)[0])
        return tuple(params)

    def forward(params, x, cond=None):
        total = jnp.zeros(x.shape[:-1], x.dtype)
        for p, bijection in zip(params, bijections, strict=True):
            x, log_det = bijection.forward(p, x, cond)
            total = total + log_det
        return x, total

    def inverse(params, z, cond=None):
        total = jnp.zeros(z.shape[:-1], z.dtype)
        for p, bijection in zip(params[::-1], bijections[::-1], strict=True):
            z, log_det = bijection.inverse(p, z, cond)
            total = total + log_det
        return z, total

    return Bijection(init, forward, inverse)


@cached
def permute(order: tuple[int, ...]) -> Bijection:
    """`z_i = x_order[i]`. Raises ValueError when `order` is no permutation."""
    if sorted(order) != list(range(len(order))):
        raise ValueError(f"not a permutation: {order}")
    there, back = np.array(order, np.int32), np.argsort(order).astype(np.int32)  # in float64 mode too

    def init(key, batch=None):
        del key, batch
        return {}

    def forward(params, x, cond=None):
        return x[..., there], jnp.zeros(x.shape[:-1], x.dtype)

    def inverse(params, z, cond=None):
        return z[..., back], jnp.zeros(z.shape[:-1], z.dtype)

    return Bijection(init, forward, inverse)


@cached
def linear(order: tuple[int, ...]) -> Bijection:
    """Learned linear map, `z = L U x_order`, that starts as the permutation `order` (Glow, arXiv:1807.03039, sec. 3.2).

    L has ones on its diagonal, the diagonal of U is positive: log|det| is the sum of its logarithms.
    """
    dim = len(order)
    first = permute(order)

    def init(key, batch=None):
        del key, batch
        return {"lower": jnp.zeros((dim, dim)), "upper": jnp.zeros((dim, dim)), "log_diagonal": jnp.zeros(dim)}

    def factors(params):
        one = jnp.eye(dim, dtype=params["log_diagonal"].dtype)
        lower = jnp.tril(params["lower"], -1) + one
        return lower, jnp.triu(params["upper"], 1) + one * jnp.exp(params["log_diagonal"])

    def forward(params, x, cond=None):
        lower, upper = factors(params)
        z, _ = first.forward({}, x)
        return z @ (lower @ upper).T, jnp.broadcast_to(params["log_diagonal"].sum(), x.shape[:-1])

    def inverse(params, z, cond=None):
        lower, upper = factors(params)
        solve = jax.scipy.linalg.solve_triangular
        rows = solve(upper, solve(lower, z.reshape(-1, dim).T, lower=True, unit_diagonal=True)).T
        x, _ = first.inverse({}, rows.reshape(z.shape))
        return x, jnp.broadcast_to(-params["log_diagonal"].sum(), z.shape[:-1])

    return Bijection(init, forward, inverse)


@cached
def actnorm(dim: int) -> Bijection:
    """`z = (x - shift) exp(-log_scale)`, which starts by standardising a batch (Glow, arXiv:1807.03039, sec. 3.1).

    Weights count by their size. Columns that do not vary, and every column without a batch, keep their scale.
    """

    def init(key, batch=None):
        del key
        if batch is None:
            return {"shift": jnp.zeros(dim), "log_scale": jnp.zeros(dim)}
        x = batch.x.reshape(-1, dim).astype(jnp.zeros(()).dtype)
        weight = jnp.ones(len(x)) if batch.weight is None else jnp.abs(batch.weight.reshape(-1))
        weight = jnp.where(weight.sum() > 0, weight, 1)
        shift = jnp.average(x, axis=0, weights=weight)
        variance = jnp.average((x - shift) ** 2, axis=0, weights=weight)
        return {"shift": shift, "log_scale": 0.5 * jnp.log(jnp.where(variance > 1e-12, variance, 1))}

    def forward(params, x, cond=None):
        z = (x - params["shift"]) * jnp.exp(-params["log_scale"])
        return z, jnp.broadcast_to(-params["log_scale"].sum(), x.shape[:-1])

    def inverse(params, z, cond=None):
        x = z * jnp.exp(params["log_scale"]) + params["shift"]
        return x, jnp.broadcast_to(params["log_scale"].sum(), z.shape[:-1])

    return Bijection(init, forward, inverse)


@cached
def recompute(bijection: Bijection) -> Bijection:
    """The same map, but the backward pass computes its insides again (arXiv:1604.06174).

    Of a chain of such maps, training keeps the events between them, and the insides of one at a time.
    """
    return bijection._replace(forward=jax.checkpoint(bijection.forward), inverse=jax.checkpoint(bijection.inverse))


@cached
def invert(bijection: Bijection) -> Bijection:
    """The same map read backwards: a masked autoregressive layer becomes an inverse autoregressive one."""

    def init(key, batch=None):
        del batch
        return bijection.init(key)

    return Bijection(init, bijection.inverse, bijection.forward)
