"""Functions that ONNX lacks, written in those that it has, as accurate in float32 as XLA's."""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

# Of exp(x^2) x erfc(x) in 1 / x^2, for |x| between 1 and 2 and beyond (Cephes, erfcf).
NEAR = (
    2.326819970068386e-2,
    -1.387039388740657e-1,
    3.687424674597105e-1,
    -5.824733027278666e-1,
    6.210004621745983e-1,
    -4.944515323274145e-1,
    3.404879937665872e-1,
    -2.741127028184656e-1,
    5.638259427386472e-1,
)
FAR = (
    -1.047766399936249e1,
    1.297719955372516e1,
    -7.495518717768503,
    2.921019019210786,
    -1.015265279202700,
    4.218463358204948e-1,
    -2.820767439740514e-1,
    5.641895067754075e-1,
)


def erfc(x: Array) -> Array:
    """1 - erf(x), without cancellation in the upper tail."""
    size = jnp.maximum(jnp.abs(x), 1)
    squared = 1 / (size * size)
    tail = jnp.exp(-size * size) / size * jnp.where(size < 2, _polynomial(NEAR, squared), _polynomial(FAR, squared))
    return jnp.where(jnp.abs(x) < 1, 1 - lax.erf(x), jnp.where(x < 0, 2 - tail, tail))


def log1p(x: Array) -> Array:
    """ln(1 + x), exact where 1 + x rounds (Kahan's correction)."""
    more = 1 + x
    step = more - 1
    return jnp.where(step == 0, x, jnp.log(more) * (x / jnp.where(step == 0, 1, step)))


def expm1(x: Array) -> Array:
    """exp(x) - 1, without cancellation near zero."""
    return jnp.where(jnp.abs(x) < 1, jnp.tanh(x / 2) * (jnp.exp(x) + 1), jnp.exp(x) - 1)


def cumulative_product(x: Array, *, axis: int, reverse: bool) -> Array:
    """Products along an axis, one after the other."""
    parts = [lax.index_in_dim(x, k, axis) for k in range(x.shape[axis])]
    parts = parts[::-1] if reverse else parts
    for k in range(1, len(parts)):
        parts[k] = parts[k - 1] * parts[k]
    return jnp.concatenate(parts[::-1] if reverse else parts, axis)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """By Horner's rule, the highest power first."""
    value = jnp.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        value = value * x + coefficient
    return value
