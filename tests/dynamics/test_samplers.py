"""Samplers against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import dynamics

KEY = jax.random.key(0)


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("midpoint", 2), ("heun", 2), ("rk4", 4)])
def test_the_global_error_has_its_order(method, order):
    """dx/dt = x cos t from 1 to 0 has x(0) = x(1) exp(-sin 1); halving the step divides the error by 2^order."""
    with jax.enable_x64(True):
        x = jnp.ones((1,))
        exact = np.exp(-np.sin(1.0))
        solve = jax.jit(lambda times: dynamics.ode(lambda x, t: x * jnp.cos(t), x, times, method))
        errors = [abs(float(solve(np.linspace(1, 0, n + 1))[0]) - exact) for n in (16, 32)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.25)


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="rk4"):
        dynamics.ode(lambda x, t: x, jnp.ones(1), [1, 0], "leapfrog")


def test_sde_has_the_variance_of_an_ornstein_uhlenbeck_chain():
    """x <- a x + s z for k steps: variance s^2 (1 - a^2k) / (1 - a^2), to 1 percent (one sigma) with 20,000 draws."""
    a, s, k, n = 0.9, 0.3, 10, 20_000
    keys = dynamics.event_keys(KEY, (n,))
    x = jax.jit(lambda x: dynamics.sde(keys, lambda x, _: a * x, x, jnp.arange(k), np.full(k, s)))(jnp.zeros((n, 1)))
    assert float(x.var()) == pytest.approx(s**2 * (1 - a ** (2 * k)) / (1 - a**2), rel=0.03)
    assert abs(float(x.mean())) < 3 * float(x.std()) / n**0.5


def test_no_noise_is_drawn_where_all_scales_vanish():
    keys = dynamics.event_keys(KEY, (2,))
    jaxpr = jax.make_jaxpr(lambda x: dynamics.sde(keys, lambda x, _: x, x, jnp.arange(3), np.zeros(3)))(
        jnp.ones((2, 1))
    )
    assert "random" not in str(jaxpr)


@pytest.mark.parametrize("steps", [1, 3, 20])
def test_the_posterior_with_a_known_end_arrives_there_through_the_bridge(steps):
    """With x0_hat = x0 every number of steps gives the bridge's law; half-way its variance is sigma^2 / 4."""
    n, sigma = 20_000, 0.5
    times = np.linspace(1, 0, 2 * steps + 1)
    keys = dynamics.event_keys(KEY, (n,))
    start = jnp.ones((n, 1))
    end = dynamics.posterior(keys, lambda x, _: jnp.zeros_like(x), start, jnp.asarray(times[:-1]), sigma**2 * times)
    np.testing.assert_allclose(end, 0, atol=1e-6)
    times = times[: steps + 1]  # stops at t = 1/2, whose last step is its mean: add the missing noise's variance
    half = dynamics.posterior(keys, lambda x, _: jnp.zeros_like(x), start, jnp.asarray(times[:-1]), sigma**2 * times)
    missing = sigma**2 * times[-1] * (1 - times[-1] / times[-2])
    assert float(half.mean()) == pytest.approx(0.5, abs=0.01)
    assert float(half.var()) + missing == pytest.approx(sigma**2 / 4, rel=0.03)


def test_event_noise_is_standard_normal_and_independent_between_events_and_steps():
    keys = dynamics.event_keys(KEY, (5000,))
    a, b = (dynamics.event_noise(keys, k, 4) for k in (0, 1))
    z = jnp.concatenate([a, b], axis=-1)
    np.testing.assert_allclose(z.mean(0), 0, atol=0.06)  # four standard errors of 5,000 draws
    np.testing.assert_allclose(jnp.cov(z.T), np.eye(8), atol=0.08)
    assert abs(float((a[1:] * a[:-1]).mean())) < 4 / (4 * 5000) ** 0.5


def test_event_keys_follow_the_rows_not_the_shape():
    data = jax.random.key_data
    flat = data(dynamics.event_keys(KEY, (6,)))
    np.testing.assert_array_equal(data(dynamics.event_keys(KEY, (2, 3))).reshape(6, -1), flat)
    np.testing.assert_array_equal(data(dynamics.event_keys(KEY, (2,), jnp.array([4, 1]))), flat[jnp.array([4, 1])])
    np.testing.assert_array_equal(data(dynamics.event_keys(KEY, (), 3)), flat[3])
