"""The multilayer perceptron."""

from __future__ import annotations

from typing import Literal

import jax
from flax import linen as nn

from hepjax.caching import cached
from hepjax.nets.functional import functional
from hepjax.nets.layers import Project, time_embedding
from hepjax.nets.precision import Precision
from hepjax.types import Net

Activation = Literal["silu", "leaky_relu"]


class MLP(nn.Module):
    dim_out: int
    hidden: tuple[int, ...]
    dim_time: int
    zero_output: bool
    activation: Activation

    @nn.compact
    def __call__(self, x, cond, time):
        act = {"silu": jax.nn.silu, "leaky_relu": jax.nn.leaky_relu}[self.activation]
        embedded = None if time is None else time_embedding(time, self.dim_time).astype(x.dtype)
        h = act(Project(self.hidden[0])(x, cond, embedded))
        for width in self.hidden[1:]:
            h = act(nn.Dense(width)(h))
        start = nn.initializers.zeros if self.zero_output else nn.initializers.lecun_normal()
        return nn.Dense(self.dim_out, kernel_init=start)(h)


@cached
def mlp(
    dim_in: int,
    dim_out: int,
    hidden: tuple[int, ...] = (256, 256),
    *,
    dim_cond: int = 0,
    time: bool = False,
    dim_time: int = 32,
    zero_output: bool = False,
    activation: Activation = "silu",
    precision: Precision = "float32",
) -> Net:
    """Multilayer perceptron; condition and time enter its first layer. The slope of `leaky_relu` below zero is 0.01.

    x (..., dim_in), cond (..., dim_cond), time (...,) -> (..., dim_out). `zero_output` starts as the zero function.
    """
    return functional(MLP(dim_out, hidden, dim_time, zero_output, activation), dim_in, dim_cond, time, precision)
