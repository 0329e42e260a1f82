"""I2SB against the closed form of jointly Gaussian pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import bridges, dynamics
from hepjax.types import Coupled

KEY = jax.random.key(0)
N = 10_000  # mean to 1 percent, covariance to 1.4 percent of the variance (one sigma): tolerances are four of them
SCHEDULE = dynamics.Symmetric(steps=200, beta_min=1e-5, beta_max=0.5)


def exact_net(pair, closed_form, ode=False):
    """(x_t - E[x0 | x_t]) / sigma_fwd, tabulated on the schedule's grid."""
    table = SCHEDULE.table()
    a, b = pair.denoiser(table.mu0, table.mu1, 0 * table.sigma if ode else table.sigma)

    def predict(x, cond, time):
        n = jnp.round(time * (SCHEDULE.steps - 1)).astype(int)
        x0_hat = jnp.einsum("...ij,...j->...i", a[n], x) + b[n]
        return (x - x0_hat) / jnp.asarray(table.sigma_fwd, x.dtype)[n][..., None]

    return closed_form(predict)


@pytest.mark.parametrize("ode", [False, True], ids=["sde", "ode"])
def test_the_exact_net_reproduces_the_targets_law(correlated, closed_form, ode):
    bridge = bridges.i2sb(exact_net(correlated, closed_form, ode), schedule=SCHEDULE, ode=ode)
    _, x1 = correlated.draw(KEY, N)
    x0 = bridge.transport(jax.random.key(1), bridge.init(KEY), x1)
    np.testing.assert_allclose(x0.mean(0), correlated.m0, atol=0.03)
    np.testing.assert_allclose(jnp.cov(x0.T), correlated.c0, atol=0.04)


def test_the_exact_net_is_the_minimum_of_the_loss(correlated, closed_form):
    x0, x1 = correlated.draw(KEY, N)
    exact = exact_net(correlated, closed_form)

    def loss(scale, shift):
        net = closed_form(lambda x, cond, time: scale * exact.apply({}, x, time=time) + shift)
        return bridges.i2sb(net, schedule=SCHEDULE).loss(KEY, {}, Coupled(x1, x0))[0]

    best = jax.jit(jax.grad(loss, (0, 1)))(1.0, jnp.zeros(2))
    np.testing.assert_allclose(jnp.hstack(best), 0, atol=0.1)


def test_conditioning_on_the_source_reproduces_the_law_given_the_source(closed_form):
    """Every event starts at the same x1; x0 | x1 is N(0.5, 0.3^2), so E[x0 | x_t, x1] is one Gaussian update."""
    mean, width, x1 = 0.5, 0.3, 1.0
    table = SCHEDULE.table()

    def predict(x, cond, time):
        n = jnp.round(time * (SCHEDULE.steps - 1)).astype(int)
        mu0, mu1, sigma, sigma_fwd = (
            jnp.asarray(a, x.dtype)[n] for a in (table.mu0, table.mu1, table.sigma, table.sigma_fwd)
        )
        gain = mu0 * width**2 / (mu0**2 * width**2 + sigma**2)
        return (x - mean - gain * (x - mu0 * mean - mu1 * cond[..., -1:])) / sigma_fwd

    bridge = bridges.i2sb(closed_form(predict), schedule=SCHEDULE, condition_on_source=True)
    x0 = bridge.transport(KEY, {}, jnp.full((N, 1), x1))
    assert float(x0.mean()) == pytest.approx(mean, abs=0.012)
    assert float(x0.std()) == pytest.approx(width, abs=0.012)


@pytest.mark.parametrize("steps", [1, 5, 50])
def test_any_number_of_steps_arrives_at_a_known_target(closed_form, steps):
    """If the net knows x0 the last step lands on it, up to the schedule's first variance."""
    table = SCHEDULE.table()

    def predict(x, cond, time):
        n = jnp.round(time * (SCHEDULE.steps - 1)).astype(int)
        return (x - 2.0) / jnp.asarray(table.sigma_fwd, x.dtype)[n]

    bridge = bridges.i2sb(closed_form(predict), schedule=SCHEDULE, steps=steps)
    np.testing.assert_allclose(bridge.transport(KEY, {}, jnp.zeros((4, 1))), 2.0, atol=0.02)
