"""Coupling flows: both directions in one pass."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np

from hepjax import nets
from hepjax.caching import cached
from hepjax.flows.chain import actnorm, chain, linear, permute, recompute
from hepjax.flows.scalars import Scalar
from hepjax.nets import Precision
from hepjax.types import Bijection

PERMUTATIONS = ("swap", "random", "learned")


@cached
def coupling(
    dim: int,
    scalar: Scalar,
    *,
    depth: int = 6,
    hidden: tuple[int, ...] = (128, 128),
    dim_cond: int = 0,
    permutation: str = "random",
    normalize: bool = True,
    seed: int = 0,
    precision: Precision = "float32",
    rematerialise: bool = False,
) -> Bijection:
    """`depth` blocks of activation normalisation, a permutation and a coupling layer (arXiv:1605.08803).

    A layer leaves the first half of its coordinates alone and moves the others by the functions of `scalar`, whose
    parameters a perceptron with layers `hidden` reads off the first half and the condition; it starts as the identity
    of `scalar`. permutation: "swap" of the halves in every block; "random" in every second one, fixed by `seed`, so
    that two blocks move every coordinate; or "learned", linear maps that start as the random ones. Without `normalize`
    the layers of activation normalisation are left out. precision: of the perceptrons alone. `rematerialise` computes
    the insides of layers again in the backward pass, and does not keep them in memory.

    Raises ValueError for fewer than two coordinates (take `autoregressive`) or an unknown permutation.
    """
    if dim < 2:
        raise ValueError(f"a coupling needs two coordinates or more, got {dim}: take an autoregressive bijection")
    if permutation not in PERMUTATIONS:
        raise ValueError(f"permutation must be one of {', '.join(PERMUTATIONS)}, got {permutation!r}")
    rng = np.random.default_rng(seed)
    layer = coupling_layer(dim, scalar, hidden, dim_cond=dim_cond, precision=precision)
    layer = recompute(layer) if rematerialise else layer
    swap = np.roll(np.arange(dim), dim // 2)
    mix = linear if permutation == "learned" else permute
    blocks = []
    for k in range(depth):
        order = swap if permutation == "swap" or k % 2 else rng.permutation(dim)
        blocks += [*([actnorm(dim)] if normalize else []), mix(tuple(order.tolist())), layer]
    return chain(*blocks)


@cached
def coupling_layer(
    dim: int, scalar: Scalar, hidden: tuple[int, ...], *, dim_cond: int = 0, precision: Precision = "float32"
) -> Bijection:
    """One layer of `coupling`: moves the last (dim + 1) // 2 coordinates given the others."""
    fixed = dim // 2
    size = (dim - fixed) * scalar.size
    net = nets.mlp(fixed, size, hidden, dim_cond=dim_cond, zero_output=True, precision=precision)

    def init(key, batch=None):
        del batch
        return net.init(key)

    def move(function, params, x, cond):
        theta = jnp.moveaxis(net.apply(params, x[..., :fixed], cond=cond), -1, 0)
        theta = theta.reshape(scalar.size, dim - fixed, *theta.shape[1:])
        moved, log_slope = function(theta, jnp.moveaxis(x[..., fixed:], -1, 0))
        moved = jnp.moveaxis(moved, 0, -1)
        kept = jnp.broadcast_to(x[..., :fixed], (*moved.shape[:-1], fixed))
        return jnp.concatenate([kept, moved], axis=-1), log_slope.sum(0)

    def forward(params, x, cond=None):
        return move(scalar.forward, params, x, cond)

    def inverse(params, z, cond=None):
        return move(scalar.inverse, params, z, cond)

    return Bijection(init, forward, inverse)
