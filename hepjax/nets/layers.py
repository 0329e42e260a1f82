"""Pieces that the nets share."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float


def time_embedding(
    time: Float[Array, "*batch"], dim: int, *, scale: float = 1000.0, max_period: float = 10_000.0
) -> Float[Array, "*batch {dim}"]:
    """Sinusoidal features of a time in [0, 1] (arXiv:1706.03762, sec. 3.5; with the scale of arXiv:2006.11239).

        [cos(w_i scale t), sin(w_i scale t)],   w_i = max_period^(-2i / dim),   i = 0 .. dim/2 - 1

    Raises ValueError when `dim` is odd.
    """
    if dim % 2:
        raise ValueError(f"time_embedding needs an even dim, got {dim}")
    frequency = jnp.exp(-math.log(max_period) * jnp.arange(dim // 2, dtype=time.dtype) / (dim // 2))
    angle = scale * time[..., None] * frequency
    return jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1)


class Project(nn.Module):
    """Sum of one dense layer per input: a dense layer of the concatenation, without broadcasting the inputs first."""

    width: int

    @nn.compact
    def __call__(self, *features: Array | None) -> Array:
        return sum(nn.Dense(self.width)(f) for f in features if f is not None)  # type: ignore[return-value]


class ResidualBlock(nn.Module):
    """`h + W2 silu(W1 silu((1 + scale) norm(h) + shift))`, with FiLM (arXiv:1709.07871); W2 starts at 0."""

    width: int
    norm: bool = False

    @nn.compact
    def __call__(self, h: Array, scale: Array | float = 0.0, shift: Array | float = 0.0) -> Array:
        g = nn.LayerNorm(use_bias=False, use_scale=False)(h) if self.norm else h
        g = nn.Dense(self.width)(jax.nn.silu((1 + scale) * g + shift))
        return h + nn.Dense(self.width, kernel_init=nn.initializers.zeros)(jax.nn.silu(g))
