"""The residual perceptron: the default velocity and drift of the bridges."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from hepjax.caching import cached
from hepjax.nets.functional import functional
from hepjax.nets.layers import Project, ResidualBlock, time_embedding
from hepjax.nets.precision import Precision
from hepjax.types import Net


class ResNet(nn.Module):
    dim_out: int
    width: int
    blocks: int
    dim_time: int
    dim_context: int
    norm: bool
    rematerialise: bool

    @nn.compact
    def __call__(self, x, cond, time):
        h = nn.Dense(self.width)(x)
        embedded = None if time is None else time_embedding(time, self.dim_time).astype(x.dtype)
        block = nn.remat(ResNet.block) if self.rematerialise else ResNet.block
        for scale, shift in self.film(cond, embedded):
            h = block(self, h, scale, shift)
        return nn.Dense(self.dim_out, kernel_init=nn.initializers.zeros)(jax.nn.silu(h))

    def block(self, h, scale, shift):
        return ResidualBlock(self.width, self.norm)(h, scale, shift)

    def film(self, cond, embedded):
        """Scale and shift of every block, (..., width) each, from one matrix product."""
        if cond is None and embedded is None:
            return [(0.0, 0.0)] * self.blocks
        context = jax.nn.silu(Project(self.dim_context)(cond, embedded))
        context = jax.nn.silu(nn.Dense(self.dim_context)(context))
        film = nn.Dense(2 * self.blocks * self.width, kernel_init=nn.initializers.zeros)(context)
        parts = jnp.split(film, 2 * self.blocks, axis=-1)
        return list(zip(parts[::2], parts[1::2], strict=True))


@cached
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
    precision: Precision = "float32",
    rematerialise: bool = False,
) -> Net:
    """Residual perceptron with FiLM conditioning (arXiv:1512.03385, arXiv:1709.07871).

    Input projection, `blocks` blocks of two layers, each modulated by a context made of the time's embedding and the
    condition, output layer. Every block starts as the identity and the output at zero, so that a bridge starts as
    the reference process. `norm` adds a layer norm to each block (deep or badly scaled inputs).
    `rematerialise` computes what is inside of blocks again in the backward pass, and does not keep it in memory.

    x (..., dim_in), cond (..., dim_cond), time (...,) -> (..., dim_out).
    """
    module = ResNet(dim_out, width, blocks, dim_time, dim_context, norm, rematerialise)
    return functional(module, dim_in, dim_cond, time, precision)
