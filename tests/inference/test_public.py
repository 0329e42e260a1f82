"""Maxima, covariances and likelihood intervals against numbers of iminuit 2.33.0."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from likelihoods import on_off

from hepjax import inference

X = np.array([0.5, 1.2, 2.3, 0.9, 3.1, 1.7, 0.4, 2.8, 1.1, 1.5])


def gamma(theta, x):
    """Shape and scale of a gamma law, of a sample x (m,)."""
    shape, scale = theta
    return jnp.sum((shape - 1) * jnp.log(x) - x / scale - jax.scipy.special.gammaln(shape) - shape * jnp.log(scale))


def fitted(log_prob, start, *data, level=1.0):
    bounds = (jnp.asarray([-jnp.inf if log_prob is on_off else 1e-3, 1e-3]), jnp.inf)
    maximum = inference.maximize(log_prob, jnp.asarray(start), bounds, *data)
    return maximum, inference.intervals(log_prob, maximum, bounds, *data, level=level)


# MIGRAD stops where the estimated distance to the minimum is 2e-11: at 1e-5 of an error. MINOS, tolerance 1e-2 of one.
@pytest.mark.parametrize(
    ("log_prob", "start", "data", "best", "low", "high"),
    [
        (on_off, [5.0, 4.5], (10.0, 12.0), (6, 4), (-3.107348, -1.046371), (3.665175, 1.268379)),
        (on_off, [5.5, 20.5], (25.0, 60.0), (5, 20), (-5.403857, -2.471971), (5.882126, 2.694358)),
        (gamma, [2.0, 1.0], (X,), (2.8014491, 0.5532851), (-1.017381, -0.192861), (1.367831, 0.364440)),
    ],
    ids=["few", "more", "gamma"],
)
def test_maxima_and_intervals_are_those_of_minuit(log_prob, start, data, best, low, high):
    maximum, found = fitted(log_prob, start, *map(jnp.asarray, data))
    np.testing.assert_allclose(maximum.theta, best, rtol=2e-5)
    np.testing.assert_allclose(found.low - maximum.theta, low, rtol=1e-3)
    np.testing.assert_allclose(found.high - maximum.theta, high, rtol=1e-3)


def test_95_percent_is_the_level_of_minuit():
    maximum, found = fitted(on_off, [5.0, 4.5], jnp.asarray(10.0), jnp.asarray(12.0), level=3.841458820694124)
    np.testing.assert_allclose(found.low - maximum.theta, (-5.701532, -1.858032), rtol=1e-3)
    np.testing.assert_allclose(found.high - maximum.theta, (7.799028, 2.708662), rtol=1e-3)


def test_the_covariance_is_that_of_hesse():
    """Numerical second derivatives: to 1e-3."""
    maximum = fitted(gamma, [2.0, 1.0], jnp.asarray(X))[0]
    found = inference.covariance(inference.curvature(gamma, maximum.theta, jnp.asarray(X)))
    np.testing.assert_allclose(found, [[1.406361, -0.277761], [-0.277761, 0.065786]], rtol=1e-3)
