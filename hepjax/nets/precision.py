"""The precision of a net's arithmetic: parameters, and all outside of nets, stay as they are."""

from __future__ import annotations

from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array

Precision = Literal["float32", "bfloat16"]
"""Arithmetic inside a net.

float32: that of its inputs and parameters, float64 where they are. bfloat16: both are rounded to 8 bits at the door
and the output comes back in the type of x, so that losses, log-determinants and gradients of parameters are float32;
so are embeddings of times and the statistics of norms. Twice as fast and half the memory on accelerators with units for
it, and slower on CPUs without, which emulate it. Not for second derivatives and searches of maxima: outputs have steps.
"""
PRECISIONS = ("float32", "bfloat16")


def enter(precision: Precision, inputs: Any) -> Any:
    """Inputs and parameters of a net, arrays or None, as its arithmetic takes them.

    Raises ValueError for an unknown precision.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
    if precision == "float32":
        return inputs
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.bfloat16), inputs)


def leave(y: Array, x: Array) -> Array:
    """The output of a net, no narrower than what came in as x."""
    return y.astype(jnp.promote_types(y.dtype, x.dtype))
