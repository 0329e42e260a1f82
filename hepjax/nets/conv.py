"""A small convolutional encoder-decoder for images of cells."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from flax import linen as nn

from hepjax.caching import cached
from hepjax.nets.functional import functional
from hepjax.nets.layers import time_embedding
from hepjax.nets.precision import Precision
from hepjax.types import Net


class ConvNet(nn.Module):
    shape: tuple[int, int]
    channels: int
    layers: int
    images: int
    dim_time: int
    rematerialise: bool

    @nn.compact
    def __call__(self, x, cond, time):
        batch = jnp.broadcast_shapes(x.shape[:-1], () if cond is None else cond.shape[:-1], time.shape)
        pictures, scalars = self.split(cond)
        h = self.planes(jnp.concatenate([jnp.broadcast_to(a, (*batch, a.shape[-1])) for a in (x, *pictures)], axis=-1))
        layer = nn.remat(ConvNet.layer) if self.rematerialise else ConvNet.layer
        for _ in range(self.layers):
            h = layer(self, h)
        embedded = time_embedding(time, self.dim_time).astype(x.dtype)
        constants = [self.constant_planes(a, batch) for a in (self.context(embedded), *scalars)]
        h = jnp.concatenate([h, *constants], axis=-1)
        for _ in range(self.layers - 1):
            h = layer(self, h)
        y = nn.Conv(1, (3, 3), kernel_init=nn.initializers.zeros)(h)
        return y.reshape(*batch, x.shape[-1])

    def layer(self, h):
        return jax.nn.silu(nn.Conv(self.channels, (3, 3))(h))

    def split(self, cond):
        """The condition's images (flat) and its scalars, as lists of at most one array each."""
        if cond is None:
            return [], []
        n = self.images * self.shape[0] * self.shape[1]
        return [a for a in (cond[..., :n],) if n], [a for a in (cond[..., n:],) if a.shape[-1]]

    def context(self, h):
        for _ in range(2):
            h = jax.nn.silu(nn.Dense(2 * self.dim_time)(h))
        return nn.Dense(self.channels)(h)

    def planes(self, flat):
        """(..., k h w) -> (..., h, w, k)."""
        return jnp.moveaxis(flat.reshape(*flat.shape[:-1], -1, *self.shape), -3, -1)

    def constant_planes(self, values, batch):
        """(..., k) -> (*batch, h, w, k), the same in every cell."""
        return jnp.broadcast_to(values[..., None, None, :], (*batch, *self.shape, values.shape[-1]))


@cached
def conv(
    shape: tuple[int, int],
    channels: int = 32,
    layers: int = 4,
    *,
    dim_cond: int = 0,
    images: int = 0,
    dim_time: int = 128,
    precision: Precision = "float32",
    rematerialise: bool = False,
) -> Net:
    """Convolutional encoder-decoder with time embedding: the shape net of SQuIRELS (arXiv:2308.12339).

    `layers` 3x3 convolutions of `channels` channels encode the image; time (through 128 -> 256 -> 256 -> 32) and
    condition join as constant planes; `layers` convolutions decode. The output starts at zero.
    `rematerialise` computes what is inside of layers again in the backward pass, and does not keep it in memory.

    x (..., h w) flat, last axis fastest; cond (..., images h w + dim_cond): first whole images, which enter the encoder
    as channels (self-conditioning), then scalars; time (...,). Returns (..., h w).
    """
    cells = shape[0] * shape[1]
    module = ConvNet(shape, channels, layers, images, dim_time, rematerialise)
    return functional(module, cells, images * cells + dim_cond, time=True, precision=precision)
