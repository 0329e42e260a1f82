"""The masked autoregressive net, evaluated for all coordinates at once or for one after the other."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hepjax.caching import cached
from hepjax.nets.precision import Precision, enter, leave
from hepjax.types import Params, PRNGKey

CONDITIONAL = 1 / 8
"""Least share of the units of a layer that see the condition alone: the first coordinates have nothing else."""


class Made(NamedTuple):
    """A net whose output i depends on the coordinates before i, and on the condition.

    init: key -> params.
    apply: (params, x (..., d), cond (..., c) or None) -> (out, d, ...), events last.
    unroll: (params, choose, z (..., d), cond (..., c) or None) -> (x (..., d), extra (..., d)), coordinate by
        coordinate: x_i, extra_i = choose(output i at x (out, n), z_i (n,)) for all n events.
    """

    init: Callable[[PRNGKey], Params]
    apply: Callable[..., Array]
    unroll: Callable[..., tuple[Array, Array]]


@cached
def made(
    dim: int,
    out: int,
    hidden: tuple[int, ...] = (256, 256),
    *,
    dim_cond: int = 0,
    zero_output: bool = True,
    precision: Precision = "float32",
) -> Made:
    """Masked perceptron for autoregressive models (MADE, arXiv:1502.03509) with SiLU activations.

    A unit of degree m sees the coordinates i < m and the whole condition, output i the units of degree <= i. Degrees
    rise along a layer, so that `unroll` finds the units that the coordinate just chosen completes side by side; it
    computes each unit once, when all that it sees is known, and in total does the arithmetic of one `apply`.

    zero_output: start as the zero function.

    Raises ValueError in `apply` and `unroll` for an unknown precision, and for an input that is missing, superfluous or
    of the wrong width.
    """
    degrees = [_degrees(width, dim, dim_cond) for width in hidden]
    ranks = np.arange(dim)
    masks = [ranks[:, None] < degrees[0], *(a[:, None] <= b for a, b in itertools.pairwise(degrees))]
    visible = degrees[-1][:, None] <= ranks
    # Where the units that coordinate i - 1 completes start in every layer, and how many there are at most.
    places = [np.searchsorted(d, ranks) for d in degrees]
    sizes = [int(np.bincount(d, minlength=dim)[1:].max(initial=1)) for d in degrees]

    def init(key):
        *keys, key_cond, key_out = jax.random.split(key, len(hidden) + 2)
        seen = [masks[0].sum(0) + dim_cond, *(m.sum(0) for m in masks[1:])]
        return {
            "cond": _normal(key_cond, (dim_cond, hidden[0]), seen[0]),
            "kernels": [_normal(k, m.shape, n) for k, m, n in zip(keys, masks, seen, strict=True)],
            "biases": [jnp.zeros(width) for width in hidden],
            "out_kernel": (not zero_output) * _normal(key_out, (hidden[-1], out, dim), visible.sum(0)),
            "out_bias": jnp.zeros((out, dim)),
        }

    # Units and coordinates come first and events last: a step of `unroll` touches whole rows.

    def weights(params):
        """Masked kernels of the hidden layers, and that of the outputs."""
        kernels = [k * m for k, m in zip(params["kernels"], masks, strict=True)]
        return kernels, params["out_kernel"] * visible[:, None]

    def offsets(params, cond):
        """What a layer adds to its view of the layer below, (units, n) or (units, 1)."""
        first, *others = (b[:, None] for b in params["biases"])
        return [first if cond is None else first + params["cond"].T @ cond.T, *others]

    def layers(kernels, add, x):
        """Activations (units, n) of all hidden layers."""
        activations = []
        for kernel, b in zip(kernels, add, strict=True):
            x = jax.nn.silu(kernel.T @ x + b)
            activations.append(x)
        return activations

    def apply(params, x, cond=None):
        x, cond, batch = check(x, cond)
        params, inner, cond = enter(precision, (params, x, cond))
        kernels, out_kernel = weights(params)
        last = layers(kernels, offsets(params, cond), inner.T)[-1]
        y = jnp.tensordot(out_kernel, last, (0, 0)) + params["out_bias"][..., None]
        return leave(y, x).reshape(out, dim, *batch)

    def unroll(params, choose, z, cond=None):
        z, cond, batch = check(z, cond)
        params, cond = enter(precision, (params, cond))
        kernels, out_kernel = weights(params)
        add = offsets(params, cond)
        # Units of degree 0 are right from the start, the others wait for their coordinates.
        nothing = enter(precision, jnp.zeros_like(z.T))
        start = [jnp.broadcast_to(h, (h.shape[0], len(z))) for h in layers(kernels, add, nothing)]

        def step(carry, inputs):
            x, activations = carry
            i, z_i, kernel_i, bias_i, places = inputs
            below, updated = enter(precision, x), []
            for h, kernel, b, place, size in zip(activations, kernels, add, places, sizes, strict=True):
                part = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=place, slice_size=size)
                new = jax.nn.silu(part(kernel.T) @ below + part(b))
                below = jax.lax.dynamic_update_slice_in_dim(h, new, place, 0)
                updated.append(below)
            x_i, extra_i = choose(leave(kernel_i @ below + bias_i[:, None], z), z_i)
            return (x.at[i].set(x_i), updated), extra_i

        inputs = (ranks, z.T, out_kernel.T, params["out_bias"].T, places)
        (x, _), extra = jax.lax.scan(step, (jnp.zeros_like(z.T), start), inputs)
        return x.T.reshape(*batch, dim), extra.T.reshape(*batch, dim)

    def check(x, cond):
        """Events and conditions as (n, d) and (n, c), and their leading shape."""
        if x.shape[-1] != dim:
            raise ValueError(f"made takes x of shape (..., {dim}), got {x.shape}")
        if (0 if cond is None else cond.shape[-1]) != dim_cond:
            raise ValueError(f"made takes {dim_cond} conditions, got {'none' if cond is None else cond.shape}")
        batch = jnp.broadcast_shapes(x.shape[:-1], () if cond is None else cond.shape[:-1])
        cond = None if cond is None else jnp.broadcast_to(cond, (*batch, dim_cond)).reshape(-1, dim_cond)
        return jnp.broadcast_to(x, (*batch, dim)).reshape(-1, dim), cond, batch

    return Made(init, apply, unroll)


def _degrees(width: int, dim: int, dim_cond: int) -> np.ndarray:
    """Degrees of a layer's units, rising: 0 for those that see the condition alone, the others spread evenly."""
    if dim == 1:
        return np.zeros(width, int)
    alone = math.ceil(width * max(1 / dim, CONDITIONAL)) if dim_cond else 0
    others = width - alone
    return np.concatenate([np.zeros(alone, int), 1 + np.arange(others) * (dim - 1) // others])


def _normal(key: PRNGKey, shape: tuple[int, ...], fan_in: np.ndarray) -> Array:
    """LeCun's normal start; fan_in is the number of inputs that a unit does see."""
    return jax.random.normal(key, shape) / np.sqrt(np.maximum(fan_in, 1))
