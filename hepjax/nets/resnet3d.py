"""A residual convolutional net of showers in a cylinder of voxels."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from hepjax.caching import cached
from hepjax.nets.functional import functional
from hepjax.nets.layers import Project
from hepjax.nets.precision import Precision
from hepjax.types import Net

LAYER, ALPHA, R = VOXELS = (-4, -3, -2)


class ResNet3D(nn.Module):
    shape: tuple[int, int, int]
    classes: int
    widths: tuple[int, ...]

    @nn.compact
    def __call__(self, x, cond, time):
        energy, shares = x[..., :1], x[..., 1:]
        # Shares of the incident energy are tiny; those of as many equal voxels would be one.
        h = shares.reshape(*x.shape[:-1], *self.shape, 1) * math.prod(self.shape)
        h = Convolution(self.widths[0], size=7, stride=2)(jnp.arcsinh(h))
        for stage, width in enumerate(self.widths):
            h = Block(width, stride=2 if stage else 1)(h)
        pooled = jax.nn.silu(h).mean(VOXELS)
        return nn.Dense(self.classes)(jnp.concatenate([pooled, energy], axis=-1))


class Block(nn.Module):
    """`skip(h) + conv(silu(norm(conv(silu(norm(h))))))`, the residual block with norms first (arXiv:1603.05027).

    A norm takes all voxels of a shower together. Their common scale, which the shower's total energy sets, goes along
    the skip alone, which has no norm.
    """

    width: int
    stride: int

    @nn.compact
    def __call__(self, h: Array) -> Array:
        g = Convolution(self.width, stride=self.stride)(jax.nn.silu(norm()(h)))
        g = Convolution(self.width)(jax.nn.silu(norm()(g)))
        if self.stride > 1:
            every = slice(None, None, self.stride)
            h = h[..., every, every, every, :]
        return g + (h if h.shape[-1] == self.width else nn.Dense(self.width, use_bias=False)(h))


class Convolution(nn.Module):
    """Convolution (..., layer, alpha, r, c) -> (..., width) at every stride-th voxel: a circle in alpha, zeros outside.

    A product of matrices for each layer under the kernel: XLA has no fast gradient of a strided convolution in three
    dimensions on a CPU (5 s a shower for the first of the set-2 net, against 6 ms).
    """

    width: int
    size: int = 3
    stride: int = 1

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for axis in (ALPHA, R):
            x = jnp.concatenate(self.shifts(x, axis), axis=-1)
        return Project(self.width)(*self.shifts(x, LAYER))

    def shifts(self, x: Array, axis: int) -> list[Array]:
        """What each column of the kernel sees along an axis, at every stride-th voxel."""
        reach = [(0, 0)] * x.ndim
        reach[axis] = (self.size // 2, self.size // 2)
        padded = jnp.pad(x, reach, mode="wrap" if axis == ALPHA else "constant")
        slices = (slice(i, i + x.shape[axis], self.stride) for i in range(self.size))
        return [padded[(..., s, *[slice(None)] * (-axis - 1))] for s in slices]


def norm() -> nn.LayerNorm:
    return nn.LayerNorm(reduction_axes=(*VOXELS, -1))


@cached
def resnet3d(
    shape: tuple[int, int, int] = (45, 16, 9),
    classes: int = 1,
    widths: tuple[int, ...] = (32, 64, 64, 128),
    *,
    precision: Precision = "float32",
) -> Net:
    """Residual convolutional net of voxels in (layer, alpha, r), for classifiers of the CaloChallenge's sets 2 and 3.

    A convolution of 7x7x7 voxels with stride 2, a residual block of two convolutions of 3x3x3 voxels for each of
    `widths` (stride 2 from the second block on), the mean over voxels, and a dense layer that also sees the incident
    energy: the ResNet of the challenge (arXiv:2410.21611) in a form of our own. The challenge pads with zeros; here
    alpha is a circle, and a shower turned by the product of the strides (2^blocks bins of alpha, where they divide
    the circle) gives the same output. Norms are of one shower, not of a batch, and voxels enter as
    asinh(voxels E_voxel / E_inc), linear for small shares and logarithmic for large ones.

    x (..., 1 + layers alpha r) = [log10 E_inc, voxels / E_inc], r fastest -> (..., classes).
    """
    return functional(ResNet3D(shape, classes, widths), 1 + math.prod(shape), precision=precision)
