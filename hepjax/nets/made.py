"""The masked autoregressive net, evaluated for all coordinates at once or for one after the other."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hepjax.types import Params, PRNGKey

CONDITIONAL = 1 / 8
"""Least share of the units of a layer that see the condition alone: the first coordinates have nothing else."""


class Made(NamedTuple):
    """A net whose output i depends on the coordinates before i, and on the condition.

    init: key -> params.
    apply: (params, x (..., d), cond (..., c) or None) -> (..., d, out).
    unroll: (params, choose, z (..., d), cond (..., c) or None) -> (x (..., d), extra (..., d)), coordinate by
        coordinate: x_i, extra_i = choose(output i at x (..., out), z_i (...,)).
    """

    init: Callable[[PRNGKey], Params]
    apply: Callable[..., Array]
    unroll: Callable[..., tuple[Array, Array]]


@functools.cache
def made(
    dim: int, out: int, hidden: tuple[int, ...] = (256, 256), *, dim_cond: int = 0, zero_output: bool = True
) -> Made:
    """Masked perceptron for autoregressive models (MADE, arXiv:1502.03509) with SiLU activations.

    A unit of degree m sees the coordinates i < m and the whole condition, output i the units of degree <= i. Degrees
    rise along a layer, so that `unroll` finds the units that the coordinate just chosen completes side by side; it
    computes each unit once, when all that it sees is known, and in total does the arithmetic of one `apply`.

    zero_output: start as the zero function.

    Raises ValueError in `apply` and `unroll` when an input is missing, superfluous or of the wrong width.
    """
    degrees = [_degrees(width, dim, dim_cond) for width in hidden]
    ranks = np.arange(dim)
    masks = [ranks[:, None] < degrees[0], *(a[:, None] <= b for a, b in zip(degrees, degrees[1:], strict=False))]
    seen = degrees[-1][:, None] <= ranks

    def init(key):
        *keys, key_cond, key_out = jax.random.split(key, len(hidden) + 2)
        scale = 0.0 if zero_output else 1.0
        return {
            "kernels": [_kernel(k, m, m.sum(0) + dim_cond * (m is masks[0])) for k, m in zip(keys, masks, strict=True)],
            "biases": [jnp.zeros(width) for width in hidden],
            "cond": _kernel(key_cond, np.ones((dim_cond, hidden[0])), masks[0].sum(0) + dim_cond),
            "out_kernel": scale * _kernel(key_out, np.repeat(seen, out, 1), seen.sum(0).repeat(out)),
            "out_bias": jnp.zeros((dim, out)),
        }

    def weights(params):
        """Masked kernels of the hidden layers, and that of the outputs as (units, dim, out)."""
        kernels = [k * m for k, m in zip(params["kernels"], masks, strict=True)]
        return kernels, params["out_kernel"].reshape(-1, dim, out) * seen[..., None]

    def offset(params, cond):
        """What the first layer adds to its view of x."""
        return params["biases"][0] if cond is None else params["biases"][0] + cond @ params["cond"]

    def layers(kernels, offsets, x):
        """Activations of all hidden layers."""
        activations = []
        for kernel, add in zip(kernels, offsets, strict=True):
            x = jax.nn.silu(x @ kernel + add)
            activations.append(x)
        return activations

    def apply(params, x, cond=None):
        check(x, cond)
        kernels, out_kernel = weights(params)
        last = layers(kernels, [offset(params, cond), *params["biases"][1:]], x)[-1]
        y = last @ out_kernel.reshape(-1, dim * out)
        return y.reshape(*y.shape[:-1], dim, out) + params["out_bias"]

    def unroll(params, choose, z, cond=None):
        check(z, cond)
        batch = jnp.broadcast_shapes(z.shape[:-1], () if cond is None else cond.shape[:-1])
        z = jnp.broadcast_to(z, (*batch, dim)).reshape(-1, dim)
        cond = None if cond is None else jnp.broadcast_to(cond, (*batch, dim_cond)).reshape(-1, dim_cond)
        kernels, out_kernel = weights(params)
        offsets = [jnp.broadcast_to(offset(params, cond), (len(z), hidden[0])), *params["biases"][1:]]
        # From here on units and coordinates come first and events last: a step touches whole rows.
        start = [h.T for h in layers(kernels, offsets, jnp.zeros_like(z))]
        rows = [k.T for k in kernels]
        offsets = [offsets[0].T, *(b[:, None] for b in offsets[1:])]

        def step(carry, inputs):
            x, activations = carry
            i, z_i, kernel_i, bias_i, places = inputs
            below, updated = x, []
            for h, kernel, add, place, size in zip(activations, rows, offsets, places, sizes, strict=True):
                part = functools.partial(jax.lax.dynamic_slice_in_dim, start_index=place, slice_size=size)
                new = jax.nn.silu(part(kernel) @ below + part(add))
                below = jax.lax.dynamic_update_slice_in_dim(h, new, place, 0)
                updated.append(below)
            x_i, extra_i = choose((kernel_i @ below).T + bias_i, z_i)
            return (x.at[i].set(x_i), updated), extra_i

        places = [np.searchsorted(d, ranks) for d in degrees]
        sizes = [int(np.bincount(d, minlength=dim)[1:].max(initial=1)) for d in degrees]
        inputs = (ranks, z.T, jnp.moveaxis(out_kernel, 0, -1), params["out_bias"], places)
        (x, _), extra = jax.lax.scan(step, (jnp.zeros_like(z.T), start), inputs)
        return x.T.reshape(*batch, dim), extra.T.reshape(*batch, dim)

    def check(x, cond):
        if x.shape[-1] != dim:
            raise ValueError(f"made takes x of shape (..., {dim}), got {x.shape}")
        if (0 if cond is None else cond.shape[-1]) != dim_cond:
            raise ValueError(f"made takes {dim_cond} conditions, got {'none' if cond is None else cond.shape}")

    return Made(init, apply, unroll)


def _degrees(width: int, dim: int, dim_cond: int) -> np.ndarray:
    """Degrees of a layer's units, rising: 0 for those that see the condition alone, the others spread evenly."""
    if dim == 1:
        return np.zeros(width, int)
    alone = round(width * max(1 / dim, CONDITIONAL)) if dim_cond else 0
    others = width - alone
    return np.concatenate([np.zeros(alone, int), 1 + np.arange(others) * (dim - 1) // others])


def _kernel(key: PRNGKey, mask: np.ndarray, fan_in: np.ndarray) -> Array:
    """LeCun's normal start for the inputs that a unit does see."""
    return jax.random.normal(key, mask.shape) * mask / np.sqrt(np.maximum(fan_in, 1))
