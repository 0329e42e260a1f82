"""Normal scores that depend on several conditions and on each other, made independent to second order."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax.caching import cached
from hepjax.transforms.host import floats
from hepjax.types import Transform

LEAST_EIGENVALUE = 0.05
RIDGE = 1e-2  # in units of the events, so of a share of each regressor's variance


class Correlations(NamedTuple):
    """Fitted regression and correlation matrix.

    slopes: (k, d), of 1, the conditions and their products. scale: (d,), widths of the residuals.
    factor, inverse: (d, d), the lower Cholesky factor of the residuals' correlations, and its inverse.
    """

    slopes: Float[Array, "k d"]
    scale: Float[Array, " d"]
    factor: Float[Array, "d d"]
    inverse: Float[Array, "d d"]


@cached
def decorrelate(significance: float = 5.0) -> Transform:
    """`y = L^-1 (x - m(cond)) / scale`: a Gaussian copula whose mean follows the conditions.

    m is a quadratic form of the conditions, fitted with a little ridge. L is the Cholesky factor of the residuals'
    correlation matrix, in which only entries beyond `significance / sqrt(n)` are kept: thousands of entries that are
    noise would cost a test sample more likelihood than the real ones gain.

    fit takes data (n, d), cond (n, c) of order one, and weights; forward and inverse take any leading shape.
    """

    def fit(data, cond, weight=None):
        data, cond = np.asarray(data, np.float64), np.asarray(cond, np.float64)
        weight = np.ones(len(data)) if weight is None else np.asarray(weight, np.float64)
        terms = np.asarray(_terms(np, cond))
        penalty = RIDGE * weight.sum() * np.diag(np.arange(terms.shape[1]) > 0)
        slopes = np.linalg.solve(terms.T @ (weight[:, None] * terms) + penalty, terms.T @ (weight[:, None] * data))
        residual = data - terms @ slopes
        scale = np.sqrt(np.average(residual**2, axis=0, weights=weight))
        scale = np.where(scale > 0, scale, 1.0)
        pulls = residual / scale
        effective = weight.sum() ** 2 / np.square(weight).sum()
        correlations = pulls.T @ (weight[:, None] * pulls) / weight.sum()
        factor = np.linalg.cholesky(_sparse(correlations, significance / np.sqrt(effective)))
        return Correlations(*floats(slopes, scale, factor, np.linalg.inv(factor)))

    def log_scale(constants):
        return jnp.log(constants.scale).sum() + jnp.log(jnp.diagonal(constants.factor)).sum()

    def forward(constants, x, cond):
        residual = (x - _terms(jnp, cond) @ constants.slopes) / constants.scale
        return residual @ constants.inverse.T, jnp.broadcast_to(-log_scale(constants), x.shape[:-1])

    def inverse(constants, y, cond):
        x = (y @ constants.factor.T) * constants.scale + _terms(jnp, cond) @ constants.slopes
        return x, jnp.broadcast_to(log_scale(constants), y.shape[:-1])

    return Transform(fit, forward, inverse)


def _terms(xp, cond):
    """1, the conditions, and their products, along the last axis."""
    pairs = itertools.combinations_with_replacement(range(cond.shape[-1]), 2)
    columns = [xp.ones_like(cond[..., :1]), cond, *(cond[..., i : i + 1] * cond[..., j : j + 1] for i, j in pairs)]
    return xp.concatenate(columns, axis=-1)


def _sparse(correlations: np.ndarray, least: float) -> np.ndarray:
    """The matrix without its small entries, positive definite, with ones on the diagonal."""
    kept = np.where(np.abs(correlations) >= least, correlations, 0.0)
    np.fill_diagonal(kept, 1.0)
    value, vector = np.linalg.eigh(kept)
    raised = (vector * np.maximum(value, LEAST_EIGENVALUE)) @ vector.T
    diagonal = np.sqrt(np.diag(raised))
    return raised / np.outer(diagonal, diagonal)
