"""The random numbers that trained models draw, by name: where they are drawn can be seen in a traced program.

Each is the function of `jax.random`. Compiled under a name of its own, it stays one step of the program, so that an
export can put an input of the exported function in its place.
"""

from __future__ import annotations

import functools

import jax
from jaxtyping import Array

from hepjax.types import PRNGKey


@functools.partial(jax.jit, static_argnames=("shape", "dtype"))
def draw_normal(key: PRNGKey, shape: tuple[int, ...], dtype=float) -> Array:
    """Standard normal numbers."""
    return jax.random.normal(key, shape, dtype)


@functools.partial(jax.jit, static_argnames=("shape", "dtype", "least"))
def draw_uniform(key: PRNGKey, shape: tuple[int, ...], dtype=float, least: float = 0.0) -> Array:
    """Numbers uniform between `least`, nearly zero, and one."""
    return jax.random.uniform(key, shape, dtype, minval=least)


LAWS = {
    "normal": "independent standard normal numbers",
    "uniform": "independent numbers uniform in (0, 1), ends excluded",
}
"""What the functions `draw_` of these names draw."""
