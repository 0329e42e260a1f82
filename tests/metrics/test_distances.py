"""Distances against scipy, hand-made cases and finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hepjax import metrics
from hepjax.types import InputError

PAIRS = [(metrics.wasserstein, stats.wasserstein_distance), (metrics.energy_distance, stats.energy_distance)]


def two_samples(seed=0, n=300, m=200):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(0.3, 1.4, size=m), rng.uniform(size=n), rng.exponential(size=m)


@pytest.mark.parametrize(("ours", "oracle"), PAIRS)
def test_agrees_with_scipy(ours, oracle):
    a, b, u, v = two_samples()
    assert ours(a, b) == pytest.approx(oracle(a, b), rel=1e-12)
    assert ours(a, b, u, v) == pytest.approx(oracle(a, b, u, v), rel=1e-12)
    assert ours(a, b, b_weight=v) == pytest.approx(oracle(a, b, v_weights=v), rel=1e-12)
    assert ours(a.round(), b.round(), u, v) == pytest.approx(oracle(a.round(), b.round(), u, v), rel=1e-12)


@pytest.mark.parametrize(("ours", "oracle"), PAIRS)
def test_jax_arrays_give_the_same_in_float32(ours, oracle):
    a, b, u, v = (jnp.asarray(x, jnp.float32) for x in two_samples())
    value = jax.jit(ours)(a, b, u, v)
    assert isinstance(value, jax.Array)
    np.testing.assert_allclose(value, oracle(*(np.asarray(x) for x in (a, b, u, v))), rtol=1e-5)


@pytest.mark.parametrize("ours", [metrics.wasserstein, metrics.energy_distance])
def test_observables_are_independent(ours):
    rng = np.random.default_rng(1)
    a, b, w = rng.normal(size=(50, 2, 3)), rng.normal(size=(70, 2, 3)), rng.uniform(size=70)
    together = ours(a, b, b_weight=w)
    alone = [[ours(a[:, i, j], b[:, i, j], b_weight=w) for j in range(3)] for i in range(2)]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


@pytest.mark.parametrize("ours", [metrics.wasserstein, metrics.energy_distance])
def test_properties(ours):
    a, b, _, _ = two_samples()
    repeat = np.random.default_rng(2).integers(1, 4, size=len(a))
    assert ours(a, a) == 0
    assert ours(a, a[::-1]) == pytest.approx(0, abs=1e-12)
    assert ours(a, b) == pytest.approx(ours(b, a), rel=1e-12)
    assert ours(a, b, repeat) == pytest.approx(ours(np.repeat(a, repeat), b), rel=1e-12)
    assert ours(a, b, np.full(len(a), 7.0)) == pytest.approx(ours(a, b), rel=1e-12)


def test_shift_is_its_length():
    a = two_samples()[0]
    assert metrics.wasserstein(a, a + 0.25) == pytest.approx(0.25, rel=1e-12)


def test_wasserstein_gradients_match_finite_differences():
    a, b, u, v = two_samples(n=20, m=15)
    with jax.enable_x64(True):
        arguments = tuple(jnp.asarray(x, jnp.float64) for x in (a, b, u, v))
        gradients = jax.grad(metrics.wasserstein, argnums=(0, 1, 2, 3))(*arguments)
    for k, gradient in enumerate(gradients):
        for i in range(len(gradient)):
            up, down = ([x.copy() for x in (a, b, u, v)] for _ in range(2))
            up[k][i] += 1e-6
            down[k][i] -= 1e-6
            slope = (metrics.wasserstein(*up) - metrics.wasserstein(*down)) / 2e-6
            assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_many_dimensions_reduce_to_one():
    a, b, _, _ = two_samples()
    assert metrics.energy_distance_nd(a[:, None], b[:, None]) == pytest.approx(stats.energy_distance(a, b), rel=1e-10)


def test_many_dimensions_against_all_pairs():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(1100, 3)), rng.normal(0.5, 1.0, size=(60, 3))

    def mean(x, y):
        return np.mean(np.linalg.norm(x[:, None] - y[None], axis=-1))

    expected = np.sqrt(2 * mean(a, b) - mean(a, a) - mean(b, b))
    assert metrics.energy_distance_nd(a, b) == pytest.approx(expected, rel=1e-10)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    assert metrics.energy_distance_nd(a @ turn, b @ turn) == pytest.approx(expected, rel=1e-10)
    assert metrics.energy_distance_nd(a, a) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.wasserstein(np.zeros(0), np.ones(3)),
        lambda: metrics.wasserstein(np.zeros((3, 2)), np.ones((3, 4))),
        lambda: metrics.wasserstein(np.zeros(3), np.ones(3), np.ones(4)),
        lambda: metrics.energy_distance_nd(np.zeros((3, 2)), np.ones((3, 4))),
    ],
)
def test_bad_input_is_one_line(call):
    with pytest.raises(InputError) as error:
        call()
    assert "\n" not in str(error.value)


def test_bootstraps_of_the_distance():
    """Drawn one by one from the same seed: the same numbers, in every observable, with weights."""
    rng = np.random.default_rng(8)
    a, b, u, v = rng.normal(size=(50, 2)), rng.normal(0.5, 1, size=(40, 2)), rng.uniform(size=50), rng.uniform(size=40)
    values = metrics.wasserstein_bootstraps(a, b, u, v, bootstraps=5, seed=3)
    draw = np.random.default_rng(3)
    rows, others = metrics.draws(50, 5, draw), metrics.draws(40, 5, draw)
    expected = [metrics.wasserstein(a[i], b[j], u[i], v[j]) for i, j in zip(rows, others, strict=True)]
    np.testing.assert_allclose(values, expected, rtol=1e-10)


def test_spread_of_bootstraps_is_the_standard_error():
    """A shift far larger than the widths: the distance is the difference of the means, of error sqrt(1/n + 1/m).

    100 bootstraps know it to 1 / sqrt(200) = 7 percent, asked for within 4 of these and 5 percent of the samples' own.
    """
    rng = np.random.default_rng(9)
    values = metrics.wasserstein_bootstraps(rng.normal(size=(800, 1)), rng.normal(20, 1, size=(400, 1)))
    assert values.shape == (100, 1)
    assert values.std(ddof=1) == pytest.approx(np.sqrt(1 / 800 + 1 / 400), rel=0.33)
