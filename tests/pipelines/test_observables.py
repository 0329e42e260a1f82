"""Coordinates of observables: integers, point masses that come together, and the way back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest

from hepjax.columns import point_masses
from hepjax.pipelines.events import observables

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
    counts = tuple(np.unique(table[:, 1]).tolist())
    discrete = (None, counts, None, None)
    assert kinds == observables.Kinds((False, True, False, False), (None, None, 0.0, 0.0), (0, 1, 2, 2), discrete)


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


def columns(kind, n):
    """One column of n events of a kind, and its point mass and discrete values as they should be found."""
    rng = np.random.default_rng(n)
    x = rng.normal(5, 2, n)
    sentinel = rng.permutation(n) < max(6, n // 20)
    made = {
        "continuous": x,
        "one resolution": 1e6 + np.round(x * 16) / 16,  # float32 has no more: some values are equal by chance
        "integer": rng.poisson(20, n),
        "mixed": np.where(sentinel, -999.0, x),
        "two sentinels": np.where(sentinel, -999.0, np.where(np.arange(n) % 3 == 0, 0.0, np.abs(x) + 0.1)),
        "integer and sentinel": np.where(sentinel, -999, rng.poisson(20, n)),
        "heavy tail": np.exp(3 * x),
    }
    return made[kind].astype(np.float32)


@pytest.mark.parametrize("n", [100, 200, 500])
@pytest.mark.parametrize("kind", ["continuous", "one resolution", "heavy tail", "integer"])
def test_few_events_have_no_point_mass_by_chance(kind, n):
    """Every value of a small sample is more than 0.2 percent of it; two columns have one in common at most."""
    x = columns(kind, n)
    assert observables.kinds(x[:, None]).mass == (None,)
    if kind != "integer":
        assert observables.kinds(np.stack([x, x[::-1]], 1)).leader == (0, 1)
        assert point_masses(x) == ()


@pytest.mark.parametrize("n", [100, 200, 500])
def test_few_events_have_the_point_masses_that_they_repeat(n):
    assert observables.kinds(columns("mixed", n)[:, None]).mass == (-999.0,)
    assert observables.kinds(columns("two sentinels", n)[:, None]).mass == (0.0,)
    assert point_masses(columns("two sentinels", n)) == (0.0, -999.0)


@pytest.mark.parametrize(
    "kind",
    ["continuous", "one resolution", "heavy tail", "integer", "mixed", "two sentinels", "integer and sentinel"],
)
@pytest.mark.parametrize("n", [100, 500])
def test_a_small_sample_comes_back(kind, n):
    """And is standard normal: the Kolmogorov-Smirnov distance has a p-value above 1e-4."""
    x = columns(kind, n)[:, None]
    coordinates = observables.scores(observables.kinds(x))
    constants = coordinates.fit(jax.random.key(0), x, np.ones(n))
    z = coordinates.encode(jax.random.key(1), constants, jnp.asarray(x))
    assert kstest(np.asarray(z)[:, 0], "norm").pvalue > 1e-4
    back = np.asarray(coordinates.decode(constants, z))
    # Values between two of the table's scores are exact but for rounding, also beside one that is 1,000 times as large.
    np.testing.assert_allclose(back, x, rtol=2e-3, atol=2e-3)


def test_outliers_move_nothing_but_themselves():
    """Nine events at 1e6 among 6,000: the quantiles of a normal sample, with errors of 5 / sqrt(n density^2 / pq)."""
    x = np.random.default_rng(0).normal(0, 1, (6000, 1)).astype(np.float32)
    x[:9] = 1e6
    coordinates = observables.scores(observables.kinds(x))
    constants = coordinates.fit(jax.random.key(0), x, np.ones(6000))
    drawn = np.asarray(coordinates.decode(constants, jax.random.normal(jax.random.key(1), (100_000, 1))))
    np.testing.assert_allclose(np.quantile(drawn, [0.02, 0.5, 0.98]), np.quantile(x, [0.02, 0.5, 0.98]), atol=0.05)
    back = coordinates.decode(constants, coordinates.encode(jax.random.key(1), constants, jnp.asarray(x)))
    # But for those between the last two scores of the table before the outliers, which come back as the lower one.
    away = np.abs(np.asarray(back) - x)
    assert (away[9:] < 2e-3).mean() > 0.999 and away[9:].max() < 0.1 and away[:9].max() == 0


def test_codes_come_back_as_themselves():
    """Rare and large ones too, with their shares: a share of 0.1 percent of 200,000 draws has an error of 7 percent."""
    codes, shares = np.array([-211, 13, 22, 130, 211, 1_000_021]), np.array([0.4, 0.001, 0.1, 0.05, 0.448, 0.001])
    x = np.repeat(codes, np.round(10_000 * shares).astype(int))[:, None].astype(np.float32)
    coordinates = observables.scores(observables.kinds(x))
    constants = coordinates.fit(jax.random.key(0), x, np.ones(len(x)))
    z = coordinates.encode(jax.random.key(1), constants, jnp.asarray(x))
    np.testing.assert_array_equal(coordinates.decode(constants, z), x)
    drawn = np.asarray(coordinates.decode(constants, jax.random.normal(jax.random.key(2), (200_000, 1))))
    found, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(found, codes)
    np.testing.assert_allclose(counts / 200_000, shares, atol=5 * np.sqrt(0.25 / 200_000), rtol=0)
    np.testing.assert_allclose(counts[[1, 5]] / 200_000, 0.001, rtol=5 * 0.07)


@pytest.mark.parametrize(
    "x",
    [
        np.full(200, 1.5),
        np.full(200, 7.0),
        np.full(1, 1.5),
        np.repeat([0.1, 0.3], [150, 50]),
        np.append(np.full(199, -999.0), 0.25),
        np.append(np.full(150, -999.0), np.linspace(0, 1, 50)),
        np.append(np.full(198, 0.1), [0.25, np.nextafter(np.float32(0.25), 1)]),
    ],
    ids=["constant", "whole", "one event", "two values", "but one", "three quarters", "neighbours"],
)
def test_degenerate_columns_come_back_as_they_are(x):
    x = np.stack([x, np.random.default_rng(0).normal(size=len(x))], 1).astype(np.float32)
    coordinates = observables.coordinates("scores", observables.kinds(x))
    constants = coordinates.fit(jax.random.key(0), x, np.ones(len(x)))
    z = coordinates.encode(jax.random.key(1), constants, jnp.asarray(x))
    assert np.isfinite(z).all()
    np.testing.assert_allclose(coordinates.decode(constants, z)[:, 0], x[:, 0], rtol=1e-5)
    drawn = np.asarray(coordinates.decode(constants, jax.random.normal(jax.random.key(2), (1000, 2))))
    assert np.isfinite(drawn).all() and drawn[:, 0].min() >= x[:, 0].min() and drawn[:, 0].max() <= x[:, 0].max()


def test_kinds_of_earlier_runs_are_still_read():
    """Integers of theirs are spread over half a unit either way, as when they were fitted."""
    x = np.random.default_rng(0).poisson(20, (2000, 1)).astype(np.float32)
    coordinates = observables.scores(observables.Kinds((True,), (None,), (0,)))
    constants = coordinates.fit(jax.random.key(0), x, np.ones(len(x)))
    z = coordinates.encode(jax.random.key(1), constants, jnp.asarray(x))
    np.testing.assert_array_equal(coordinates.decode(constants, z), x)


def test_a_constant_is_noise_in_zscores_and_comes_back():
    x = np.stack([np.full(500, 1.5), np.random.default_rng(0).normal(size=500)], 1).astype(np.float32)
    coordinates = observables.coordinates("zscore", observables.kinds(x))
    constants = coordinates.fit(jax.random.key(0), x, np.ones(500))
    z = np.asarray(coordinates.encode(jax.random.key(1), constants, jnp.asarray(x)))
    assert kstest(z[:, 0], "norm").pvalue > 1e-3
    np.testing.assert_array_equal(coordinates.decode(constants, jnp.asarray(z + 0.1))[:, 0], x[:, 0])
