"""Families of increasing functions: their starts, an independent spline, smoothness, extremes, inverses."""

import functools

import distrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import flows

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
FAMILIES = {"affine": flows.affine(), "spline": flows.spline(), "mixture": flows.mixture()}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)


def draws(family, n=2000, size=1.0):
    key_theta, key_x = jax.random.split(KEY)
    return size * jax.random.normal(key_theta, (family.size, n)), 2 * jax.random.normal(key_x, (n,))


@every_family
def test_zero_parameters_are_nearly_the_identity(family):
    x = jnp.linspace(-8, 8, 101)
    z, log_slope = family.forward(jnp.zeros((family.size, 101)), x)
    atol = 0.6 if family is FAMILIES["mixture"] else 1e-5
    np.testing.assert_allclose(z, x, atol=atol)
    np.testing.assert_allclose(log_slope, 0, atol=atol)


def test_components_start_apart():
    """Equal components would get equal gradients for ever."""
    family = flows.mixture(4)
    gradient = jax.grad(lambda theta: family.forward(theta, jnp.float32(0.7))[0])(jnp.zeros(family.size))
    for block in jnp.split(gradient, 3):
        assert len(np.unique(block)) == 4


@every_family
def test_slopes_are_those_of_autodiff(family):
    theta, x = draws(family)
    slope = jax.jit(jax.vmap(jax.grad(lambda x, theta: family.forward(theta, x)[0]), (0, 1)))(x, theta)
    np.testing.assert_allclose(family.forward(theta, x)[1], jnp.log(slope), atol=1e-3)


@every_family
def test_inverse_in_float64(family):
    with jax.enable_x64(True):
        theta, x = (a.astype(jnp.float64) for a in draws(family, size=2.0))
        z, log_slope = jax.jit(family.forward)(theta, x)
        back, log_back = jax.jit(family.inverse)(theta, z)
        assert back.dtype == jnp.float64
        np.testing.assert_allclose(back, x, atol=1e-9)
        np.testing.assert_allclose(log_back, -log_slope, atol=1e-7)


@every_family
def test_values_and_gradients_are_finite_at_extremes(family):
    theta, _ = draws(family, 400)
    theta = 30 * jnp.sign(theta)
    for x in (jnp.zeros(400), jnp.full(400, 5.0), jnp.linspace(-1e3, 1e3, 400)):
        for direction in (family.forward, family.inverse):
            total = jax.value_and_grad(lambda t, x, f=direction: sum(a.sum() for a in f(t, x)), (0, 1))
            assert all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(jax.jit(total)(theta, x)))


def test_spline_is_that_of_distrax():
    """distrax as the oracle: the same raw parameters, once held within bounds, and slopes of one at the ends."""
    family = FAMILIES["spline"]
    theta, x = draws(family)
    x = 2 * x  # some beyond the ends
    held = (theta / jnp.sqrt(1 + (theta / 4) ** 2)).T
    raw = jnp.insert(held, np.array([16, 23]), 0.0, axis=1)
    oracle = distrax.RationalQuadraticSpline(
        raw, -5.0, 5.0, boundary_slopes="identity", min_bin_size=1e-2, min_knot_slope=1e-2
    )
    z, log_slope = family.forward(theta, x)
    for ours, theirs in zip((z, log_slope), oracle.forward_and_log_det(x), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    for ours, theirs in zip(family.inverse(theta, z), oracle.inverse_and_log_det(z), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-2)


def test_mixture_is_smooth_in_events_and_parameters():
    """The second derivative of the log density is that of finite differences, so it has no steps (a spline's does)."""
    with jax.enable_x64(True):
        family = flows.mixture(4)
        theta, toward = jax.random.normal(KEY, (2, family.size), jnp.float64)

        def nll(x, c):
            z, log_slope = family.forward(theta + c * toward, x)
            return 0.5 * z**2 - log_slope

        def second(f):
            return jax.jit(jax.vmap(jax.grad(jax.grad(f)))), jax.jit(jax.vmap(jax.grad(f)))

        line, h = jnp.linspace(-4, 4, 801), 1e-5
        for f in (lambda x: nll(x, 0.3), lambda c: nll(0.2, c / 4)):
            curvature, slope = second(f)
            np.testing.assert_allclose(
                curvature(line), (slope(line + h) - slope(line - h)) / (2 * h), rtol=1e-5, atol=1e-5
            )
            steps = np.abs(np.diff(curvature(line)))
            assert steps.max() < 0.2 * np.ptp(curvature(line))


def test_derivatives_of_the_inverse_of_a_mixture():
    """First and second, by the implicit function theorem, against finite differences in float64."""
    with jax.enable_x64(True):
        family = flows.mixture(3)
        theta, toward = jax.random.normal(KEY, (2, family.size), jnp.float64)
        f = jax.jit(lambda t: family.inverse(theta + t * toward, 0.7 + t)[0])
        first, h = jax.jit(jax.grad(f)), 1e-4
        np.testing.assert_allclose(first(0.1), (f(0.1 + h) - f(0.1 - h)) / (2 * h), rtol=1e-6)
        np.testing.assert_allclose(jax.grad(first)(0.1), (first(0.1 + h) - first(0.1 - h)) / (2 * h), rtol=1e-6)


@pytest.mark.parametrize("arguments", [{"bins": 1}, {"bins": 8, "min_bin": 2.0}, {"min_slope": 1.0}])
def test_splines_that_do_not_fit_are_refused(arguments):
    with pytest.raises(ValueError, match="do not fit"):
        functools.partial(flows.spline, **arguments)()
