"""Likelihood intervals and profiles against closed forms, and their coverage."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from likelihoods import gaussian, on_off, poisson
from scipy import optimize, stats

from hepjax import inference
from hepjax.types import InputError

POSITIVE = (1e-9, jnp.inf)


def fitted(log_prob, start, bounds, *data, level=1.0):
    """Maximum and intervals, in one program."""

    @jax.jit
    def fit(start, bounds, *data):
        maximum = inference.maximize(log_prob, start, bounds, *data)
        return maximum, inference.intervals(log_prob, maximum, bounds, *data, level=level)

    return fit(start, bounds, *data)


def poisson_ends(n, level=1.0):
    """Interval of a Poisson mean by SciPy's root finder."""
    ratio = lambda mean: 2 * (mean - n + n * np.log(n / mean)) - level  # noqa: E731
    return optimize.brentq(ratio, 1e-12, n, xtol=1e-13), optimize.brentq(ratio, n, 10 * n + 10, xtol=1e-13)


def test_gaussian_mean_with_its_width_profiled(rng):
    """-2 ln(L / L_max) = n ln(1 + (mean - m)^2 / s^2) = 1, and of the width n (r - 1 - ln r) = 1 with r = s^2 / w^2."""
    x, n = jnp.asarray(rng.normal(3, 2, size=(2, 20))), 20
    _, found = fitted(gaussian, jnp.zeros((2, 2)), None, x)
    half = x.std(1) * np.sqrt(np.expm1(1 / n))
    np.testing.assert_allclose(found.low[:, 0], x.mean(1) - half, rtol=1e-9)
    np.testing.assert_allclose(found.high[:, 0], x.mean(1) + half, rtol=1e-9)
    r = [optimize.brentq(lambda r: n * (r - 1 - np.log(r)) - 1, *ends, xtol=1e-14) for ends in ((1, 9), (0.01, 1))]
    for end, value in zip((found.low, found.high), r, strict=True):
        np.testing.assert_allclose(end[:, 1], jnp.log(x.std(1)) - np.log(value) / 2, rtol=1e-9)
    assert found.converged.all() and not (found.low_open | found.high_open).any()


@pytest.mark.parametrize("level", [1.0, 3.84])
def test_poisson_intervals_are_asymmetric(level):
    n = jnp.asarray([1.0, 3.0, 10.0, 400.0])
    maximum, found = fitted(poisson, jnp.full((4, 1), 2.0), POSITIVE, n, level=level)
    expected = np.asarray([poisson_ends(float(value), level) for value in n])
    np.testing.assert_allclose(jnp.concatenate([found.low, found.high], 1), expected, rtol=1e-9)
    assert found.converged.all() and (found.high + found.low > 2 * maximum.theta).all()


def test_an_interval_is_open_where_the_bound_comes_first():
    """No events: the maximum lies at the lower bound, the upper end where the mean is 1/2; 9 has its end at 12.4."""
    maximum, found = fitted(poisson, jnp.ones((2, 1)), (1e-9, 12.0), jnp.asarray([0.0, 9.0]))
    assert maximum.at_bound[:, 0].tolist() == [True, False]
    assert found.low_open[:, 0].tolist() == [True, False] and found.high_open[:, 0].tolist() == [False, True]
    assert found.low[0, 0] == 1e-9
    np.testing.assert_allclose(found.high[:, 0], [0.5, 12.0], rtol=1e-8)
    assert found.converged.all()


def on_off_profile(s, n, m):
    """max_b ln L of `on_off`, where 4 b^2 + (4 s - n - m) b - m s = 0."""
    p = 4 * s - n - m
    b = (jnp.sqrt(p**2 + 16 * m * s) - p) / 8
    return on_off((s, b), n, m)


def test_a_nuisance_is_profiled():
    """Background from a control region; the second signal is one-sided: 3 events where 10 are expected without it."""
    n, m, low = jnp.asarray([20.0, 3.0]), jnp.asarray([24.0, 30.0]), jnp.asarray([0.0, 1e-3])
    maximum, found = fitted(on_off, jnp.ones((2, 2)), (low, jnp.inf), n, m)

    def end(i, best, outside):
        ratio = lambda s: 2 * (on_off_profile(best, n[i], m[i]) - on_off_profile(s, n[i], m[i])) - 1  # noqa: E731
        return optimize.brentq(ratio, best, outside, xtol=1e-12)

    np.testing.assert_allclose(maximum.theta[:, 0], [12.0, 0.0], atol=1e-8)
    np.testing.assert_allclose(found.high[:, 0], [end(0, 12.0, 60.0), end(1, 0.0, 60.0)], rtol=1e-8)
    np.testing.assert_allclose(found.low[:, 0], [end(0, 12.0, 0.0), 0.0], rtol=1e-8)
    assert found.low_open[:, 0].tolist() == [False, True] and found.converged.all()


def test_a_profile_is_a_scan_of_maxima():
    n, m, values = jnp.asarray([20.0, 30.0]), jnp.asarray([24.0, 6.0]), jnp.linspace(1, 20, 5)

    @jax.jit
    def scan(values):
        maximum = inference.maximize(on_off, jnp.ones((2, 2)), POSITIVE, n, m)
        return inference.profile(on_off, maximum, 0, values, POSITIVE, n, m)

    one = jnp.ones(5)
    found, tangent = jax.jvp(scan, (values,), (one,))
    expected, slope = jax.jvp(lambda s: on_off_profile(s, n[:, None], m[:, None]), (values,), (one,))
    np.testing.assert_allclose(found.log_prob, expected, rtol=1e-9)
    np.testing.assert_allclose(tangent.log_prob, slope, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.theta[..., 0], jnp.broadcast_to(values, (2, 5)))
    assert found.converged.all()


def test_gaussian_coverage(rng):
    """The mean of 4 normal draws of known width, 4000 times: 68.3 percent, with an error of 0.7."""
    x = jnp.asarray(rng.normal(size=(4000, 4)))
    known = lambda theta, x: gaussian(jnp.stack([theta[0], 0.0]), x)  # noqa: E731
    _, found = fitted(known, jnp.ones((4000, 1)), None, x)
    assert jnp.mean((found.low < 0) & (found.high > 0)) == pytest.approx(0.6827, abs=0.03)


def test_poisson_coverage(rng):
    """Of a mean of 4.2, 4000 times, against the sum of probabilities of all counts whose interval contains it.

    Likelihood intervals of a discrete count do not cover 68.3 percent but what this sum says; error 0.7 percent.
    """
    mean, counts = 4.2, np.arange(1, 30)
    inside = [low < mean < high for low, high in map(poisson_ends, counts.astype(float))]
    expected = stats.poisson.pmf(counts, mean) @ inside
    _, found = fitted(poisson, jnp.full((4000, 1), 3.0), POSITIVE, jnp.asarray(rng.poisson(mean, 4000), float))
    assert found.converged.all()
    assert jnp.mean((found.low < mean) & (found.high > mean)) == pytest.approx(expected, abs=0.03)


def test_derivatives_of_the_ends():
    """Implicit differentiation of ln(mean) n - mean = const, forward and reverse; and of a profiled end."""
    n = jnp.asarray([3.0, 10.0])

    def ends(n):
        maximum = inference.maximize(poisson, jnp.full((2, 1), 2.0), POSITIVE, n)
        return inference.intervals(poisson, maximum, POSITIVE, n).high[:, 0]

    high = np.asarray([poisson_ends(float(value))[1] for value in n])
    expected = np.diag((np.log(high) - np.log(n)) / (1 - n / high))
    for mode in (jax.jacfwd, jax.jacrev):
        np.testing.assert_allclose(jax.jit(mode(ends))(n), expected, rtol=1e-8)


def test_derivatives_of_a_profiled_end():
    """Against central differences, whose error is of the order of the step squared."""

    def low(n):
        maximum = inference.maximize(on_off, jnp.ones((3, 2)), POSITIVE, n, jnp.full(3, 24.0))
        return inference.intervals(on_off, maximum, POSITIVE, n, jnp.full(3, 24.0)).low[:, 0]

    h = 1e-3
    ends, derivative = jax.jit(lambda n: jax.jvp(low, (n,), (jnp.ones(3),)))(jnp.asarray([20 - h, 20, 20 + h]))
    assert float(derivative[1]) == pytest.approx(float(ends[2] - ends[0]) / (2 * h), rel=1e-6)


def test_intervals_of_what_is_no_maximum_are_flagged():
    _, found = fitted(lambda t: -jnp.tanh(t[0]), jnp.zeros(1), None)
    assert not found.converged.any()


def test_a_level_must_be_positive():
    with pytest.raises(InputError, match="level"):
        fitted(poisson, jnp.ones((1, 1)), POSITIVE, jnp.ones(1), level=0.0)
