"""From a flax module to the project's `Net`: flax stays behind this file's door."""

from __future__ import annotations

from typing import cast

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from hepjax.nets.precision import Precision, enter, leave
from hepjax.types import Net


def functional(
    module: nn.Module, dim_in: int, dim_cond: int = 0, time: bool = False, precision: Precision = "float32"
) -> Net:
    """Wrap `module(x, cond, time)` as a `Net` that knows its input sizes.

    x: (..., dim_in). cond: (..., dim_cond), only if dim_cond > 0. time: (...,), only if `time`. Conditions and times
    broadcast against x: the samplers pass one scalar time, and its embedding is then computed once, not per event.
    The module gets x and cond in `precision`, and time as it is: bfloat16 cannot tell the times of a sampler apart.

    Raises ValueError in `apply` for an unknown precision, and for an input that is missing, superfluous or of the wrong
    width.
    """

    def init(key, batch=None):
        del batch
        cond = jnp.zeros(dim_cond) if dim_cond else None
        return module.init(key, jnp.zeros(dim_in), cond, jnp.zeros(()) if time else None)["params"]

    def apply(params, x, cond=None, time=None, mask=None) -> Array:
        check(x, cond, time, mask)
        time = None if time is None else jnp.asarray(time, x.dtype)
        params, inner, cond = enter(precision, (params, x, cond))
        return leave(cast(Array, module.apply({"params": params}, inner, cond, time)), x)

    wants_time = time

    def check(x, cond, time, mask):
        name = type(module).__name__
        if x.shape[-1] != dim_in:
            raise ValueError(f"{name} takes x of shape (..., {dim_in}), got {x.shape}")
        if (0 if cond is None else cond.shape[-1]) != dim_cond:
            raise ValueError(f"{name} takes {dim_cond} conditions, got {'none' if cond is None else cond.shape}")
        if (time is not None) != wants_time:
            raise ValueError(f"{name} was made {'with' if wants_time else 'without'} time=True")
        if mask is not None:
            raise ValueError(f"{name} works on vectors of fixed length and takes no mask")

    return Net(init, apply)
