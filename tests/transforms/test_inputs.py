"""Inputs of classifiers: of order one, one to one, and a flag of each point mass, whatever the observables hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.transforms import inputs

N = 5000


@pytest.fixture(scope="module")
def table():
    """Normal; log-uniform up to 1e6; with nine outliers at 1e6; a third at -999; constant; a count: (n, 6)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, 6))
    x[:, 1] = 10 ** rng.uniform(0, 6, N)
    x[:9, 2] = 1e6
    x[rng.random(N) < 1 / 3, 3] = -999
    x[:, 4] = 1.5
    x[:, 5] = rng.poisson(20, N)
    return x.astype(np.float32)


def test_inputs_are_of_order_one_and_tell_values_apart(table):
    fitted = inputs.fit((table, np.ones(N)))
    assert fitted.masses == ((3, -999.0),)
    z = np.asarray(fitted(table))
    assert z.shape == (N, 7) and np.abs(z).max() < 4
    np.testing.assert_array_equal(z[:, 6], table[:, 3] == -999)
    # Normal scores of their own, but for the table's steps: a correlation of normal and log-uniform ones is a shape.
    for j in (0, 1, 2):
        np.testing.assert_allclose([z[:, j].mean(), z[:, j].std()], [0, 1], atol=0.02)
        order = np.argsort(table[:, j], kind="stable")
        assert (np.diff(z[order, j]) >= 0).all()
    assert (z[:, 4] == 0).all()
    # Beside a fill value the others are as without it.
    rest = table[:, 3] != -999
    assert (z[~rest, 3] == 0).all()
    np.testing.assert_allclose([z[rest, 3].mean(), z[rest, 3].std()], [0, 1], atol=0.02)


def test_two_samples_count_alike():
    """A tenth as many events, and weights of any size and sign: the median is between both."""
    low, high = np.linspace(-2, -1, 1000)[:, None], np.linspace(1, 2, 100)[:, None]
    fitted = inputs.fit((low, np.full(1000, 1e-30)), (high, np.tile([3.0, -3.0], 50)))
    assert fitted.masses == ()
    z = np.asarray(fitted(np.array([[-1.001], [1.001]])))
    assert -0.1 < z[0, 0] <= 0 <= z[1, 0] < 0.1


def test_any_leading_shape_and_values_beyond_the_table(table):
    masses, constants = inputs.fit((table, np.ones(N)))
    apply = inputs.apply(masses)
    whole = apply(constants, jnp.asarray(table))
    np.testing.assert_array_equal(apply(constants, jnp.asarray(table[:6].reshape(2, 3, 6))).reshape(6, 7), whole[:6])
    assert apply(constants, jnp.asarray(table[0])).shape == (7,)
    beyond = apply(constants, jnp.full((1, 6), 1e30))
    assert jnp.isfinite(beyond).all()
    np.testing.assert_allclose(beyond[0, :4], constants.scores[-1], rtol=1e-6)
    gradient = jax.grad(lambda x: apply(constants, x).sum())(jnp.asarray(table[20]))
    assert jnp.isfinite(gradient).all()
