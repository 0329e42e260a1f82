"""Zero mean and unit width given a condition, smooth in it: what a likelihood that is differentiated needs."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax.caching import cached
from hepjax.transforms.host import floats
from hepjax.types import Transform

ROUNDS = 5
MEAN_LOG_CHI2 = -1.2703628454614782  # mean of ln chi^2 with one degree of freedom
LEAST = 1e-6  # residuals below this share of their column's width count as this share


class Trend(NamedTuple):
    """Polynomials in the scaled condition t = (cond - centre) / width, lowest power first.

    centre, width: (). mean, log_scale: (degree + 1, d).
    """

    centre: Float[Array, ""]
    width: Float[Array, ""]
    mean: Float[Array, "k d"]
    log_scale: Float[Array, "k d"]


@cached
def trend(degree: int = 3) -> Transform:
    """`y = (x - m(cond)) / s(cond)` with polynomials m and ln s; infinitely differentiable in x and the condition.

    fit takes data (n, d), cond (n, 1) and weights: m by least squares with weights 1/s^2 and ln s by least squares of
    the logarithms of the squared residuals, in turns. forward and inverse take any leading shape.
    """

    def fit(data, cond, weight=None):
        data, given = np.asarray(data, np.float64), np.asarray(cond, np.float64)[:, 0]
        weight = np.ones(len(data)) if weight is None else np.asarray(weight, np.float64)
        centre = np.average(given, weights=weight)
        width = np.sqrt(np.average((given - centre) ** 2, weights=weight)) or 1.0
        basis = ((given - centre) / width)[:, None] ** np.arange(degree + 1)
        fitted = [_fit_column(basis, column, weight) for column in data.T]
        mean, log_scale = (np.stack(part, axis=1) for part in zip(*fitted, strict=True))
        return Trend(*floats(centre, width, mean, log_scale))

    def at(constants, cond):
        basis = ((cond - constants.centre) / constants.width) ** jnp.arange(degree + 1)
        return basis @ constants.mean, basis @ constants.log_scale

    def forward(constants, x, cond):
        mean, log_scale = at(constants, cond)
        return (x - mean) * jnp.exp(-log_scale), -log_scale.sum(-1)

    def inverse(constants, y, cond):
        mean, log_scale = at(constants, cond)
        return y * jnp.exp(log_scale) + mean, log_scale.sum(-1)

    return Transform(fit, forward, inverse)


def _fit_column(basis: np.ndarray, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of m and ln s of one column."""
    floor = LEAST * (np.sqrt(np.cov(x, aweights=weight)) or 1.0)
    mean, log_scale = _least_squares(basis, x, weight), np.zeros(basis.shape[1])
    for _ in range(ROUNDS):
        residual = np.maximum(np.abs(x - basis @ mean), floor)
        log_scale = _least_squares(basis, np.log(residual) - MEAN_LOG_CHI2 / 2, weight)
        mean = _least_squares(basis, x, weight * np.exp(-2 * basis @ log_scale))
    # Unit width on average, whatever the residuals' shape.
    pulls = np.maximum(np.abs(x - basis @ mean), floor) * np.exp(-basis @ log_scale)
    log_scale[0] += 0.5 * np.log(np.average(pulls**2, weights=weight))
    return mean, log_scale


def _least_squares(basis: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    root = np.sqrt(weight)
    return np.linalg.lstsq(root[:, None] * basis, root * y, rcond=None)[0]
