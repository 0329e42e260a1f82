"""Maximum likelihood against closed forms, and its derivatives against finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from likelihoods import gaussian, line, on_off, poisson

from hepjax import inference
from hepjax.types import InputError


@pytest.fixture
def samples(rng):
    return jnp.asarray(rng.normal(3, 2, size=(4, 50)))


def skew(theta, x, scale):
    """A likelihood in one parameter without a closed form of its maximum, neither Gaussian nor symmetric."""
    z = x - scale * jnp.sinh(theta[0])
    return -0.5 * z**2 - 0.1 * z**4 - 0.2 * theta[0] ** 2


def differences(function, x, step=1e-4):
    """Central differences of fourth order of function(x) -> (...), for every entry of the vector x: (..., len(x))."""

    def derivative(unit):
        f = [function(x + k * step * unit) for k in (-2, -1, 1, 2)]
        return (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * step)

    return jnp.stack([derivative(unit) for unit in jnp.eye(len(x))], axis=-1)


def test_gaussian_mean_and_width(samples):
    maximum = inference.maximize(gaussian, jnp.zeros((4, 2)), None, samples)
    np.testing.assert_allclose(maximum.theta[:, 0], samples.mean(1), rtol=1e-9)
    np.testing.assert_allclose(jnp.exp(maximum.theta[:, 1]), samples.std(1), rtol=1e-9)
    np.testing.assert_allclose(maximum.log_prob, jax.vmap(gaussian)(maximum.theta, samples), rtol=1e-12)
    assert maximum.converged.all() and not maximum.at_bound.any()
    assert (maximum.distance < 1e-9).all() and (maximum.iterations < 15).all()


@pytest.mark.parametrize("k", [3, 20])
def test_a_linear_model_takes_one_step_whatever_the_units(rng, k):
    """A polynomial fit is least squares; its coefficients differ by orders of magnitude and are correlated."""
    x, sigma = np.linspace(0, 3, 60), rng.uniform(0.5, 2, 60)
    design = np.cos(np.arange(k) * x[:, None]) * 10.0 ** rng.uniform(-4, 4, k)
    y = rng.normal(size=60)
    expected = np.linalg.lstsq(design / sigma[:, None], y / sigma, rcond=None)[0]
    chi2 = lambda theta: -0.5 * jnp.sum(((y - design @ theta) / sigma) ** 2)  # noqa: E731
    maximum = inference.maximize(chi2, jnp.zeros(k), (-1e9, 1e9))
    np.testing.assert_allclose(maximum.theta, expected, rtol=1e-7)
    assert maximum.converged and maximum.iterations <= 2


def test_poisson_with_a_nuisance():
    n, m = jnp.asarray([10.0, 25.0, 4.0]), jnp.asarray([12.0, 60.0, 3.0])
    maximum = inference.maximize(on_off, jnp.ones((3, 2)), (jnp.asarray([-5.0, 1e-3]), jnp.inf), n, m)
    np.testing.assert_allclose(maximum.theta, jnp.stack([n - m / 3, m / 3], -1), atol=1e-8)
    assert maximum.converged.all()


def test_bad_starts_still_arrive():
    """Far out, where the likelihood is steep, flat or convex, and outside of the box."""
    starts = jnp.asarray([-8.0, 0.0, 5.0, 30.0])[:, None]
    cauchy = lambda theta: -jnp.log1p((theta[0] - 2) ** 2) - 1e-3 * (theta[0] - 2) ** 2  # noqa: E731
    maximum = inference.maximize(cauchy, starts, (-10.0, 10.0))
    assert maximum.converged.all()
    np.testing.assert_allclose(maximum.theta, 2.0, rtol=1e-9)
    rate = inference.maximize(lambda theta: poisson(theta, 7.0), 10 ** (starts / 4), (1e-9, jnp.inf))
    assert rate.converged.all()
    np.testing.assert_allclose(rate.theta, 7.0, rtol=1e-9)


def test_undefined_values_on_the_way_are_avoided():
    """log(theta) is NaN below 0, where Newton's first step from 30 would lead."""
    maximum = inference.maximize(lambda theta: 2 * jnp.log(theta[0]) - theta[0], jnp.full(1, 30.0))
    assert maximum.converged
    np.testing.assert_allclose(maximum.theta, 2.0, rtol=1e-9)


def test_the_best_of_several_starts_finds_the_higher_mode():
    def two_modes(theta, x):
        return jnp.logaddexp(-((theta[0] - x) ** 2), 1 - (theta[0] + x) ** 2) + 0 * jnp.log(theta[0] + 9)

    x = jnp.asarray([[3.0], [4.0]])[:, 0]
    grid = jnp.broadcast_to(jnp.linspace(-10, 10, 9)[:, None], (2, 9, 1))  # log_prob is NaN at -10
    start = inference.best_start(two_modes, grid, x)
    maximum = inference.maximize(two_modes, start, (-9.0, 10.0), x)
    np.testing.assert_allclose(maximum.theta[:, 0], -x, rtol=1e-4)
    assert maximum.converged.all()


@pytest.mark.parametrize("mode", [jax.jacfwd, jax.jacrev])
def test_derivatives_equal_finite_differences(mode):
    """With respect to the data and to what log_prob closes over; the estimate's own error is 1e-12."""
    x, scale = jnp.asarray([0.5, -1.0, 4.0]), jnp.asarray([1.3])

    def estimate(x, scale):
        return inference.maximize(lambda t, x: skew(t, x, scale[0]), jnp.zeros((3, 1)), (-5.0, 5.0), x).theta[:, 0]

    estimate = jax.jit(estimate)
    by_data, by_scale = jax.jit(mode(estimate, (0, 1)))(x, scale)
    np.testing.assert_allclose(by_data, differences(lambda x: estimate(x, scale), x), rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(by_scale, differences(lambda s: estimate(x, s), scale), rtol=1e-8)


def test_derivatives_of_a_vector_and_of_the_maximum(samples):
    """d mean / d x = 1/n, d ln(width) / d x = (x - mean) / (n width^2), and the envelope of the likelihood."""
    x = samples[0]
    fit = lambda x: inference.maximize(gaussian, jnp.zeros(2), None, x)[:2]  # noqa: E731
    by_data, envelope = jax.jit(jax.jacrev(fit))(x)
    z = (x - x.mean()) / x.std()
    np.testing.assert_allclose(by_data, [np.full(50, 1 / 50), z / x.std() / 50], atol=1e-12)
    np.testing.assert_allclose(envelope, -z / x.std(), rtol=1e-6, atol=1e-9)


def test_second_derivatives():
    """theta_hat = a^3: its second derivative is 6 a, forward over reverse and reverse over forward."""

    def estimate(a):
        return inference.maximize(lambda t: -jnp.cosh(t[0] - a**3), jnp.zeros(1)).theta[0]

    for twice in (jax.jacfwd(jax.grad(estimate)), jax.grad(jax.jacfwd(estimate))):
        np.testing.assert_allclose(jax.jit(twice)(1.3), 6 * 1.3, rtol=1e-9)


def test_an_active_bound_is_flagged_and_holds_the_parameter_only():
    """Two correlated parameters: the first one at its bound, the second follows the bound and its own data."""

    def estimate(data, high):
        log_prob = lambda t: -0.5 * (t[0] - data[0]) ** 2 - 0.5 * (t[1] - t[0] - data[1]) ** 2  # noqa: E731
        maximum = inference.maximize(log_prob, jnp.zeros(2), (-10.0, jnp.stack([high, 50.0])))
        return maximum.theta, maximum

    (by_data, by_bound), maximum = jax.jit(jax.jacrev(estimate, (0, 1), has_aux=True))(jnp.asarray([5.0, 1.0]), 2.0)
    np.testing.assert_allclose(maximum.theta, [2.0, 3.0], rtol=1e-9)
    assert maximum.converged and maximum.at_bound.tolist() == [True, False]
    np.testing.assert_allclose(by_data, [[0, 0], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(by_bound, [1, 1], rtol=1e-9)


def test_equal_bounds_fix_a_parameter(samples):
    fixed = (jnp.asarray([1.0, -9.0]), jnp.asarray([1.0, 9.0]))
    maximum = inference.maximize(gaussian, jnp.zeros((4, 2)), fixed, samples)
    np.testing.assert_allclose(maximum.theta[:, 0], 1.0)
    np.testing.assert_allclose(jnp.exp(2 * maximum.theta[:, 1]), jnp.mean((samples - 1) ** 2, 1), rtol=1e-9)
    assert maximum.converged.all() and maximum.at_bound[:, 0].all()


@pytest.mark.parametrize(
    "log_prob",
    [
        lambda t, a: a * 0 * t[0],
        lambda t, a: a * t[0],
        lambda t, a: a * t[0] ** 2,
        lambda t, a: jnp.nan * a * t[0],
        lambda t, a: -a * ((t[0] - t[1]) ** 2),
    ],
    ids=["flat", "rising", "convex", "undefined", "degenerate"],
)
def test_what_is_no_maximum_is_flagged_and_has_no_derivative(log_prob):
    def total(a):
        maximum = inference.maximize(log_prob, jnp.asarray([0.5, 0.2]), None, a)
        return maximum.theta.sum(), maximum.converged

    derivative, converged = jax.jit(jax.grad(total, has_aux=True))(1.0)
    assert jnp.isnan(derivative) and not converged


def test_a_masked_failure_does_not_poison_the_batch():
    a = jnp.asarray([1.0, -1.0, 2.0])  # convex in the middle

    def total(scale):
        maximum = inference.maximize(lambda t, a: -a * (t[0] - scale) ** 2, jnp.zeros((3, 1)), None, a)
        assert maximum.converged.shape == (3,)
        return jnp.where(maximum.converged, maximum.theta[:, 0], 0).sum()

    assert jax.jit(jax.grad(total))(1.0) == pytest.approx(2.0)


def test_too_few_iterations_are_flagged(samples):
    maximum = inference.maximize(gaussian, jnp.zeros((4, 2)), None, samples, max_iterations=2)
    assert not maximum.converged.any() and (maximum.iterations == 2).all()


def test_batches_vmap_and_loops_agree():
    x = jnp.linspace(-3, 3, 4)
    fit = lambda x: inference.maximize(lambda t, x: skew(t, x, 1.3), jnp.zeros((*x.shape, 1)), None, x).theta  # noqa: E731
    one = jax.jit(fit)
    loop = jnp.stack([one(value) for value in x])
    for theta in (fit(x), jax.vmap(fit)(x), fit(x.reshape(2, 2)).reshape(4, 1)):
        np.testing.assert_allclose(theta, loop, rtol=1e-10)


def test_a_second_call_does_not_recompile(samples):
    traces = []

    @jax.jit
    def fit(x):
        traces.append(1)
        return inference.maximize(gaussian, jnp.zeros((4, 2)), None, x)

    fit(samples), fit(2 * samples)
    assert len(traces) == 1


def test_float32_is_as_good_as_its_tolerance(samples):
    """Within 2e-3 standard deviations of the closed form."""
    with jax.enable_x64(False):
        x = jnp.asarray(np.asarray(samples), jnp.float32)
        maximum = inference.maximize(gaussian, jnp.zeros((4, 2)), None, x)
    assert maximum.theta.dtype == jnp.float32 and maximum.converged.all()
    np.testing.assert_allclose(maximum.theta[:, 0], samples.mean(1), atol=2e-3 * 2 / 50**0.5)
    np.testing.assert_allclose(maximum.theta[:, 1], jnp.log(samples.std(1)), atol=2e-3 / 100**0.5)


def test_polynomials_by_derivative_equal_least_squares(rng):
    """The estimator of a straight line is linear in y: its Jacobian is the pseudo-inverse."""
    x, y, sigma = np.linspace(0, 1, 8), rng.normal(size=8), rng.uniform(1, 2, 8)
    jacobian = jax.jit(jax.jacrev(lambda y: inference.maximize(line, jnp.zeros(2), None, x, y, sigma).theta))(y)
    design = np.stack([x, np.ones(8)], 1) / sigma[:, None]
    np.testing.assert_allclose(jacobian, np.linalg.pinv(design) / sigma, atol=1e-12)


@pytest.mark.parametrize(
    "bounds, expected",
    [
        ((None, 100.0), 7.0),
        ((1e-6, None), 7.0),
        (([1e-6], [5.0]), 5.0),
        ((9.0, None), 9.0),
        ([[None], [None]], 7.0),
    ],
    ids=str,
)
def test_one_side_may_have_no_bound(bounds, expected):
    """The mean of a Poisson count of 7 is 7, or the bound."""
    maximum = inference.maximize(lambda theta: poisson(theta, 7.0), [2], bounds)
    assert maximum.converged and abs(maximum.theta[0] - expected) < 1e-8
    assert maximum.at_bound[0] == (expected != 7)


def test_lists_may_hold_bounds_of_some_parameters(samples):
    """The mean is free, and the width, ln 2 or so, is at most 1."""
    bounds = ([-50, None], [None, 0])
    maximum = inference.maximize(gaussian, [[0.0, 0.0]] * 4, bounds, samples)
    np.testing.assert_allclose(maximum.theta[:, 0], samples.mean(1), rtol=1e-9)
    assert (maximum.theta[:, 1] == 0).all() and maximum.at_bound[:, 1].all()
    ends = inference.intervals(gaussian, maximum, bounds, samples)
    np.testing.assert_allclose(ends.high[:, 0] - maximum.theta[:, 0], 1 / np.sqrt(50), rtol=1e-5)


@pytest.mark.parametrize(
    "start, bounds, words",
    [
        (jnp.zeros(2), (jnp.zeros(3), jnp.ones(2)), r"bounds: low is of shape \(3,\), .* shape \(2,\)"),
        ([0.0, 0.0], (0.0, [1.0, -1.0]), "bounds from 0 to -1, expected low <= high"),
        ([0.0], (np.nan, 1.0), "bounds from nan to 1, expected low <= high"),
        ([0.0], (0.0, "many"), "bounds: high is 'many', expected numbers"),
        ([0.0], (0.0, 1.0, 2.0), r"bounds have 3 parts, expected \(low, high\)"),
        ({"mean": 0.0}, None, r"start: \{'mean': 0.0\}, expected an array"),
        (1.0, None, "start: a single number, expected an array"),
    ],
    ids=str,
)
def test_starts_and_bounds_that_are_none(start, bounds, words):
    with pytest.raises(InputError, match=words) as error:
        inference.maximize(lambda theta: -jnp.sum(theta**2), start, bounds)
    assert "\n" not in str(error.value)
