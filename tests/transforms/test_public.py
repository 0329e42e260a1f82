"""Preprocessing against scikit-learn and NumPy, on the same sample."""

import jax
import jax.numpy as jnp
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import PolynomialFeatures, QuantileTransformer, StandardScaler

from hepjax import transforms


def test_standardisation_is_that_of_scikit_learn(rng):
    x, weight = rng.gamma(2.0, size=(200, 3)), rng.uniform(size=200)
    with jax.enable_x64(True):
        constants = transforms.standardize().fit(x, weight=weight)
        found, _ = transforms.standardize().forward(constants, jnp.asarray(x))
    np.testing.assert_allclose(found, StandardScaler().fit(x, sample_weight=weight).transform(x), rtol=1e-10)


def test_scores_are_those_of_a_quantile_transformer(rng):
    """At one value of the condition, between the outermost per cents; knots are 0.13 apart, tables are linear."""
    x, cond = rng.gamma(2.0, size=(4000, 2)), np.zeros((4000, 1))
    model = transforms.gaussianize(2, 65)
    found, _ = model.forward(model.fit(x, cond), jnp.asarray(x, float), jnp.asarray(cond, float))
    expected = QuantileTransformer(n_quantiles=4000, output_distribution="normal", subsample=None).fit_transform(x)
    inside = np.abs(expected) < 2.3
    np.testing.assert_allclose(np.asarray(found)[inside], expected[inside], atol=0.04)


def test_the_mean_of_decorrelated_columns_is_a_ridge_regression(rng):
    """On the quadratic form of the conditions, with the penalty of 1 percent; and the correlations of what is left."""
    cond = rng.uniform(-1, 1, size=(3000, 2))
    mean = np.stack([1 + cond[:, 0] * cond[:, 1], cond[:, 0] - cond[:, 1] ** 2], 1)
    x = mean + rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 2]], size=3000)
    with jax.enable_x64(True):
        constants = transforms.decorrelate(0.0).fit(x, cond)
        found, _ = transforms.decorrelate(0.0).forward(constants, jnp.asarray(x), jnp.asarray(cond))
    terms = PolynomialFeatures(2).fit_transform(cond)
    residual = x - Ridge(alpha=1e-2 * len(x)).fit(terms[:, 1:], x).predict(terms[:, 1:])
    scaled = residual / np.sqrt(np.mean(residual**2, 0))
    expected = np.linalg.solve(np.linalg.cholesky(scaled.T @ scaled / len(x)), scaled.T).T
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)


def test_a_trend_is_a_weighted_polynomial_of_numpy(rng):
    """Its mean: `polyfit` with the widths that the trend itself found as errors."""
    cond = rng.uniform(1, 3, size=(2000, 1))
    x = 2 + cond**2 + np.exp(0.5 * cond) * rng.normal(size=(2000, 1))
    with jax.enable_x64(True):
        model, constants = transforms.trend(2), transforms.trend(2).fit(x, cond)
        at = np.linspace(1, 3, 5)[:, None]
        mean, _ = model.inverse(constants, jnp.zeros((5, 1)), jnp.asarray(at))
        upper, _ = model.inverse(constants, jnp.ones((2000, 1)), jnp.asarray(cond))
        middle, _ = model.inverse(constants, jnp.zeros((2000, 1)), jnp.asarray(cond))
    expected = np.polynomial.Polynomial.fit(cond[:, 0], x[:, 0], 2, w=1 / np.asarray(upper - middle)[:, 0])(at)
    # Widths and mean are found in turns, of which five leave some 1e-5.
    np.testing.assert_allclose(mean, expected, rtol=1e-3)
