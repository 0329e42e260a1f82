"""Curvature, Fisher information by two estimators, and covariance, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from likelihoods import gaussian, line

from hepjax import inference
from hepjax.types import InputError

N = 20_000


def test_curvature_of_gaussians_at_their_maximum(rng):
    """n / width^2 for the mean, 2 n for the logarithm of the width, no correlation."""
    x = jnp.asarray(rng.normal(size=(2, 3, 40)) * 2)
    theta = jnp.stack([x.mean(-1), jnp.log(x.std(-1))], -1)
    expected = jnp.zeros((2, 3, 2, 2)).at[..., 0, 0].set(40 / x.var(-1)).at[..., 1, 1].set(80)
    np.testing.assert_allclose(inference.curvature(gaussian, theta, x), expected, atol=1e-9)


@pytest.mark.parametrize("estimator", ["curvature", "score"])
def test_information_of_a_gaussian(rng, estimator):
    """diag(1 / width^2, 2); the largest spread per event is that of the score, sqrt(56) = 7.5: here 0.05."""
    theta = jnp.asarray([1.0, np.log(2.0)])
    x = jnp.asarray(rng.normal(1, 2, size=(N, 1)))
    found = inference.information(gaussian, theta, x, estimator=estimator)
    np.testing.assert_allclose(found, np.diag([0.25, 2.0]), atol=0.2)


def test_information_is_for_the_law_of_its_sample(rng):
    """Away from the model the two estimators differ: 1 / width^2 and var(x) / width^4 for the mean."""
    x = jnp.asarray(rng.normal(0, 3, size=(N, 1)))
    mean = lambda theta, x: gaussian(jnp.stack([theta[0], 0.0]), x)  # noqa: E731
    assert inference.information(mean, jnp.zeros(1), x)[0, 0] == pytest.approx(1.0)
    assert inference.information(mean, jnp.zeros(1), x, estimator="score")[0, 0] == pytest.approx(9.0, rel=0.04)


def test_covariance_is_that_of_the_estimator(rng):
    """Least squares: (X^T X)^-1, and the spread of 4000 fits, whose variance is known to 2.2 percent (one sigma)."""
    x, sigma, truth = np.linspace(0, 1, 10), np.full(10, 0.5), np.asarray([2.0, -1.0])
    y = jnp.asarray(np.polyval(truth, x) + sigma * rng.normal(size=(4000, 10)))
    log_prob = lambda theta, y: line(theta, x, y, sigma)  # noqa: E731
    fits = jax.jit(lambda y: inference.maximize(log_prob, jnp.zeros((4000, 2)), None, y).theta)(y)
    covariance = inference.covariance(inference.curvature(log_prob, fits[0], y[0]))
    design = np.stack([x, np.ones(10)], 1) / sigma[:, None]
    np.testing.assert_allclose(covariance, np.linalg.inv(design.T @ design), rtol=1e-9)
    np.testing.assert_allclose(np.cov(fits.T), covariance, rtol=0.09)


def test_covariance_of_any_units_and_batch(rng):
    a = rng.normal(size=(3, 5, 4))
    matrix = (np.swapaxes(a, -1, -2) @ a) * np.outer(*[10.0 ** np.arange(-6, 6, 3)] * 2)
    np.testing.assert_allclose(inference.covariance(jnp.asarray(matrix)), np.linalg.inv(matrix), rtol=1e-6)


def test_what_is_not_positive_definite_has_no_covariance():
    assert jnp.isnan(inference.covariance(jnp.asarray([[1.0, 2.0], [2.0, 1.0]]))).all()
    assert jnp.isnan(inference.covariance(jnp.asarray([[-1.0]]))).all()


def test_unknown_estimators_are_refused():
    with pytest.raises(InputError, match="estimator"):
        inference.information(gaussian, jnp.zeros(2), jnp.zeros((3, 1)), estimator="hessian")
