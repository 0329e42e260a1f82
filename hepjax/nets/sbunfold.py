"""The net of SBUnfold."""

from __future__ import annotations

import jax
from flax import linen as nn

from hepjax.caching import cached
from hepjax.nets.functional import functional
from hepjax.nets.layers import Project, time_embedding
from hepjax.nets.precision import Precision
from hepjax.types import Net


class SBUnfold(nn.Module):
    dim: int
    width: int
    blocks: int
    dim_time: int

    @nn.compact
    def __call__(self, x, cond, time):
        embedded = time_embedding(time, self.dim_time).astype(x.dtype)
        h = jax.nn.silu(Project(self.width)(x, embedded, cond))
        for _ in range(2):
            h = jax.nn.silu(nn.Dense(self.width)(h))
        for _ in range(self.blocks):
            h = h + nn.Dense(self.width)(jax.nn.silu(nn.Dense(self.width)(h)))
        h = jax.nn.silu(nn.Dense(2 * self.width)(h))
        return x + nn.Dense(self.dim)(h)


@cached
def sbunfold(
    dim: int = 6,
    width: int = 32,
    blocks: int = 4,
    *,
    dim_time: int = 16,
    dim_cond: int = 0,
    precision: Precision = "float32",
) -> Net:
    """Residual perceptron of SBUnfold (arXiv:2308.12351): 13,830 parameters with the defaults.

    Projections of x, time and condition are summed; two layers, `blocks` residual blocks of two layers, a head
    of twice the width, and a skip from the input to the output.

    x (..., dim), cond (..., dim_cond), time (...,) -> (..., dim).
    """
    return functional(SBUnfold(dim, width, blocks, dim_time), dim, dim_cond, time=True, precision=precision)
