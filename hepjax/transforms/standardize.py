"""Zero mean, unit width."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax.caching import cached
from hepjax.transforms.host import floats
from hepjax.types import Transform


class Moments(NamedTuple):
    """mean: (d,). scale: (d,), the standard deviation, 1 for columns that never vary."""

    mean: Float[Array, " d"]
    scale: Float[Array, " d"]


@cached
def standardize() -> Transform:
    """z-score of every column: `y = (x - mean) / scale`, `log|dy/dx| = -sum(log(scale))`."""

    def fit(data, cond=None, weight=None):
        del cond
        data = np.asarray(data, np.float64)
        mean = np.average(data, axis=0, weights=weight)
        scale = np.sqrt(np.average(np.square(data - mean), axis=0, weights=weight))
        return Moments(*floats(mean, np.where(scale > 0, scale, 1.0)))

    def forward(constants, x, cond=None):
        del cond
        return (x - constants.mean) / constants.scale, _log_det(constants, x, -1)

    def inverse(constants, y, cond=None):
        del cond
        return y * constants.scale + constants.mean, _log_det(constants, y, 1)

    return Transform(fit, forward, inverse)


def _log_det(constants: Moments, x: Array, sign: int) -> Array:
    return jnp.broadcast_to(sign * jnp.log(constants.scale).sum(), x.shape[:-1])
