"""Maximum likelihood against closed forms, and its derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import inference


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def gaussian(theta, x):
    """Mean and logarithm of the width of the sample x (m,)."""
    mean, log_width = theta
    return jnp.sum(-0.5 * ((x - mean) / jnp.exp(log_width)) ** 2 - log_width)


@pytest.fixture
def samples(rng):
    return jnp.asarray(rng.normal(3, 2, size=(4, 50)))


def test_gaussian_mean_and_width(samples):
    maximum = jax.jit(lambda x: inference.maximize(gaussian, jnp.zeros((4, 2)), None, x))(samples)
    np.testing.assert_allclose(maximum.theta[:, 0], samples.mean(1), rtol=1e-9)
    np.testing.assert_allclose(jnp.exp(maximum.theta[:, 1]), samples.std(1), rtol=1e-9)
    assert maximum.converged.all() and not maximum.at_bound.any()
