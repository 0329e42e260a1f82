"""From constants fitted on the host to arrays of JAX."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import dtypes
from jaxtyping import Array


def floats(*values: np.ndarray | np.floating | float) -> tuple[Array, ...]:
    """The values as arrays of JAX's floating type, cast on the host: on the device every shape needs a program."""
    kind = dtypes.canonicalize_dtype(float)
    return tuple(jnp.asarray(np.asarray(value, kind)) for value in values)
