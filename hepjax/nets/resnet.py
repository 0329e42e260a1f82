"""The residual perceptron: the default velocity and drift of the bridges."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
from flax import linen as nn

from hepjax.nets.functional import functional
from hepjax.nets.layers import Project, ResidualBlock, time_embedding
from hepjax.types import Net


class ResNet(nn.Module):
    dim_out: int
    width: int
    blocks: int
    dim_time: int
    dim_context: int
    norm: bool

    @nn.compact
    def __call__(self, x, cond, time):
        h = nn.Dense(self.width)(x)
        for scale, shift in self.film(cond, time):
            h = ResidualBlock(self.width, self.norm)(h, scale, shift)
        return nn.Dense(self.dim_out, kernel_init=nn.initializers.zeros)(jax.nn.silu(h))

    def film(self, cond, time):
        """Scale and shift of every block, (..., width) each, from one matrix product."""
        if cond is None and time is None:
            return [(0.0, 0.0)] * self.blocks
        embedded = None if time is None else time_embedding(time, self.dim_time)
        context = jax.nn.silu(Project(self.dim_context)(cond, embedded))
        context = jax.nn.silu(nn.Dense(self.dim_context)(context))
        film = nn.Dense(2 * self.blocks * self.width, kernel_init=nn.initializers.zeros)(context)
        parts = jnp.split(film, 2 * self.blocks, axis=-1)
        return list(zip(parts[::2], parts[1::2], strict=True))


@functools.cache
def resnet(
    dim_in: int,
    dim_out: int,
    width: int = 512,
    blocks: int = 4,
    *,
    dim_cond: int = 0,
    time: bool = False,
    dim_time: int = 64,
    dim_context: int = 128,
    norm: bool = False,
) -> Net:
    """Residual perceptron with FiLM conditioning (arXiv:1512.03385, arXiv:1709.07871).

    Input projection, `blocks` blocks of two layers, each modulated by a context made of the time's embedding and the
    condition, output layer. Every block starts as the identity and the output at zero, so that a bridge starts as
    the reference process. `norm` adds a layer norm to each block (deep or badly scaled inputs).

    x (..., dim_in), cond (..., dim_cond), time (...,) -> (..., dim_out).
    """
    return functional(ResNet(dim_out, width, blocks, dim_time, dim_context, norm), dim_in, dim_cond, time)
