"""Coordinates of observables: integers, point masses that come together, and the way back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from hepjax.pipelines import observables

N = 20_000
FAILED = 0.02


@pytest.fixture(scope="module")
def table():
    """A mass, a multiplicity, and ln rho with z_g of which 2 percent fail together: (n, 4)."""
    rng = np.random.default_rng(0)
    mass, count = rng.gamma(3, 6, N), rng.poisson(20, N)
    failed = rng.random(N) < FAILED
    ln_rho, z_g = np.where(failed, 0, -2 - rng.gamma(4, 1, N)), np.where(failed, 0, rng.uniform(0.1, 0.5, N))
    return np.stack([mass, count, ln_rho, z_g], 1).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(table):
    coordinates = observables.scores(observables.kinds(table))
    constants = coordinates.fit(jax.random.key(0), table, np.ones(N))
    return coordinates, constants, coordinates.encode(jax.random.key(1), constants, jnp.asarray(table))


def test_kinds_are_found(table):
    kinds = observables.kinds(table)
    assert kinds == observables.Kinds((False, True, False, False), (None, None, 0.0, 0.0), (0, 1, 2, 2))


def test_point_masses_of_other_events_stay_apart(table):
    other = table.copy()
    other[:, 3] = np.where(np.arange(N) % 40 == 0, 0, 0.3 + 0.1 * other[:, 0] / 100)
    assert observables.kinds(other).leader == (0, 1, 2, 3)


def test_coordinates_are_standard_normal(fitted):
    """At 20,000 events a Kolmogorov-Smirnov distance of 0.0138 has a p-value of 0.1 percent."""
    for column in np.asarray(fitted[2]).T:
        assert kstest(column, "norm").statistic < 0.0138


def test_round_trip(table, fitted):
    coordinates, constants, z = fitted
    back = np.asarray(coordinates.decode(constants, z))
    np.testing.assert_array_equal(back[:, 1], table[:, 1])
    np.testing.assert_array_equal(back[:, 2:] == 0, table[:, 2:] == 0)
    # In the tails, and beside a point mass, the table is as coarse as the sample.
    assert (np.abs(back - table) < 0.02).mean() > 0.997


def test_draws_are_physical(table, fitted):
    """Integers are whole, failed grooming is failed in both observables, and nothing lies between mass and rest."""
    coordinates, constants, _ = fitted
    z = jax.random.normal(jax.random.key(2), (50_000, 4))
    x = np.asarray(coordinates.decode(constants, z))
    assert (x[:, 1] == np.round(x[:, 1])).all()
    np.testing.assert_array_equal(x[:, 2] == 0, x[:, 3] == 0)
    failed = x[:, 3] == 0
    assert abs(failed.mean() - FAILED) < 4 * np.sqrt(FAILED / N + FAILED / 50_000)
    assert (x[~failed, 3] >= 0.0999).all() and (x[~failed, 2] < -1.9).all()
    low, high = table.min(0), table.max(0)
    assert ((x >= low - 1e-3 * np.abs(low)) & (x <= high + 1e-3 * np.abs(high) + 1)).all()


def test_weights_count(table):
    """Weights that move the mean of the mass move its scores: the weighted sample is standard normal."""
    weight = np.exp(0.05 * table[:, 0])
    coordinates = observables.scores(observables.kinds(table))
    constants = coordinates.fit(jax.random.key(0), table, weight)
    z = np.asarray(coordinates.encode(jax.random.key(1), constants, jnp.asarray(table)))[:, 0]
    effective = weight.sum() ** 2 / np.square(weight).sum()
    assert abs(np.average(z, weights=weight)) < 4 / np.sqrt(effective)
    assert abs(z.mean()) > 0.3


def test_zscore_rounds_integers(table):
    coordinates = observables.zscore(observables.kinds(table))
    constants = coordinates.fit(jax.random.key(0), table, np.ones(N))
    z = coordinates.encode(jax.random.key(1), constants, jnp.asarray(table))
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-3)
    back = np.asarray(coordinates.decode(constants, z))
    np.testing.assert_allclose(back, table, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(back[:, 1], table[:, 1])


def test_values_beyond_the_simulation_are_at_its_end(table, fitted):
    coordinates, constants, _ = fitted
    beyond = jnp.asarray(table[:1]).at[:, 0].set(1e4)
    z = coordinates.encode(jax.random.key(1), constants, beyond)
    assert (
        np.isfinite(np.asarray(z)).all() and abs(float(coordinates.decode(constants, z)[0, 0]) - table[:, 0].max()) < 1
    )
