"""Autoregressive flows: one direction in one pass, the other coordinate by coordinate."""

from __future__ import annotations

import jax.numpy as jnp

from hepjax import nets
from hepjax.caching import cached
from hepjax.flows.chain import actnorm, chain, invert, permute, recompute
from hepjax.flows.scalars import Scalar
from hepjax.nets import Precision
from hepjax.types import Bijection


def autoregressive(
    dim: int,
    scalar: Scalar,
    *,
    depth: int = 5,
    hidden: tuple[int, ...] = (256, 256),
    dim_cond: int = 0,
    inverse: bool = False,
    normalize: bool = True,
    precision: Precision = "float32",
    rematerialise: bool = False,
) -> Bijection:
    """`depth` blocks of activation normalisation and a masked autoregressive layer (MAF, arXiv:1705.07057).

    A layer moves coordinate i by a function of `scalar` given the coordinates before i and the condition; every
    second one counts from the last coordinate. It starts as the identity of `scalar`. From data to latent is one pass
    of the net, and back one in total, spread over `dim` steps. inverse: the other way round (IAF, arXiv:1606.04934),
    for fast sampling. Without `normalize` the layers of activation normalisation are left out.
    precision: of the nets alone. `rematerialise` computes the insides of layers again in the backward pass, and does
    not keep them in memory.
    """
    blocks = autoregressive_blocks(
        dim,
        scalar,
        depth=depth,
        hidden=hidden,
        dim_cond=dim_cond,
        inverse=inverse,
        normalize=normalize,
        precision=precision,
        rematerialise=rematerialise,
    )
    return chain(*blocks)


def autoregressive_blocks(
    dim: int,
    scalar: Scalar,
    *,
    depth: int = 5,
    hidden: tuple[int, ...] = (256, 256),
    dim_cond: int = 0,
    inverse: bool = False,
    normalize: bool = True,
    precision: Precision = "float32",
    rematerialise: bool = False,
) -> tuple[Bijection, ...]:
    """The blocks whose chain is `autoregressive`; each ends with a reversal of the coordinates."""
    layer = autoregressive_layer(dim, scalar, hidden, dim_cond=dim_cond, precision=precision)
    layer = recompute(layer) if rematerialise else layer
    flip = permute(tuple(range(dim))[::-1])
    block = chain(*([actnorm(dim)] if normalize else []), invert(layer) if inverse else layer, flip)
    return (block,) * depth


@cached
def autoregressive_layer(
    dim: int, scalar: Scalar, hidden: tuple[int, ...], *, dim_cond: int = 0, precision: Precision = "float32"
) -> Bijection:
    """One layer of `autoregressive`: the Jacobian of `forward` is lower triangular."""
    net = nets.made(dim, scalar.size, hidden, dim_cond=dim_cond, precision=precision)

    def init(key, batch=None):
        del batch
        return net.init(key)

    def forward(params, x, cond=None):
        z, log_slope = scalar.forward(net.apply(params, x, cond), jnp.moveaxis(x, -1, 0))
        return jnp.moveaxis(z, 0, -1), log_slope.sum(0)

    def inverse(params, z, cond=None):
        x, log_slope = net.unroll(params, scalar.inverse, z, cond)
        return x, log_slope.sum(-1)

    return Bijection(init, forward, inverse)
