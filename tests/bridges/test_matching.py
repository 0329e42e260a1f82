"""Flow and bridge matching, and their optimal transport, against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hepjax import bridges, nets
from hepjax.types import Coupled

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
N = 20_000  # mean to 0.7 percent, covariance to 1 percent of the variance (one sigma): tolerances are four of them


@pytest.mark.parametrize("sigma", [0.0, 0.4], ids=["ode", "sde"])
def test_the_exact_velocity_carries_a_gaussian_into_the_other(independent, closed_form, sigma):
    def velocity(x, cond, t):
        a, b = independent.denoiser(1 - t, t, sigma * jnp.sqrt(t * (1 - t)))
        return (x - x @ a.T - b) / t

    def exact(x, cond, t):
        # At t = 0, where only the ODE asks, the limit of the velocity is E[x1] - x0.
        return jnp.where(t > 0, velocity(x, cond, jnp.where(t > 0, t, 1.0)), independent.m1 - x)

    _, x1 = independent.draw(KEY, N)
    bridge = bridges.matching(closed_form(exact), sigma=sigma, steps=50)
    x0 = bridge.transport(jax.random.key(1), bridge.init(KEY), x1)
    np.testing.assert_allclose(x0.mean(0), independent.m0, atol=0.03)
    np.testing.assert_allclose(jnp.cov(x0.T), independent.c0, atol=0.04)


@pytest.mark.parametrize("sigma", [0.0, 0.4], ids=["ode", "sde"])
def test_the_loss_is_least_at_the_exact_velocity(independent, closed_form, sigma):
    x0, x1 = independent.draw(KEY, N)

    def loss(scale, shift):
        def velocity(x, cond, t):
            a, b = independent.denoiser(1 - t, t, sigma * jnp.sqrt(t * (1 - t)))
            exact = (x - jnp.einsum("nij,nj->ni", a, x) - b) / t[..., None]
            return scale * exact + shift

        return bridges.matching(closed_form(velocity), sigma=sigma).loss(KEY, {}, Coupled(x1, x0))[0]

    best = jax.jit(jax.grad(loss, (0, 1)))(1.0, jnp.zeros(2))
    np.testing.assert_allclose(jnp.hstack(best), 0, atol=0.06)
    assert loss(0.9, 0.0) > loss(1.0, 0.0)


def test_sinkhorn_reaches_the_entropic_coupling_of_gaussians():
    """cov(x, y) = (sqrt(4 a^2 b^2 + s^4) - s^2) / 2 with a, b the widths, s^2 = epsilon / 2, cost |x - y|^2."""
    m, a, b, epsilon = 400, 1.0, 0.5, 0.2
    grid = jax.scipy.stats.norm.ppf((jnp.arange(m) + 0.5) / m)[:, None]
    x, y = a * grid, b * grid
    cost = (x - y.T) ** 2
    plan = jnp.exp(jax.jit(lambda c: bridges.sinkhorn(c, epsilon=epsilon, iterations=100))(cost))
    s2 = epsilon * float(cost.mean()) / 2
    expected = (np.sqrt(4 * a**2 * b**2 + s2**2) - s2) / 2
    assert float((x * y.T * plan).sum()) == pytest.approx(expected, rel=0.02)
    np.testing.assert_allclose(plan.sum(0), 1 / m, rtol=1e-4)
    np.testing.assert_allclose(plan.sum(1), 1 / m, rtol=1e-2)


def test_sinkhorn_keeps_weighted_margins_and_bears_zero_weights_and_equal_points():
    x = jax.random.normal(KEY, (3, 5, 2))
    w = jnp.array([0.0, 1.0, 2.0, 3.0, 4.0])
    cost = jnp.sum((x[:, :, None] - x[:, None] + 0.5) ** 2, axis=-1)
    plan = jnp.exp(bridges.sinkhorn(cost, w * jnp.ones((3, 1)), None, epsilon=0.5, iterations=200))
    np.testing.assert_allclose(plan.sum(-1), jnp.broadcast_to(w / 10, (3, 5)), atol=1e-4)
    np.testing.assert_allclose(plan.sum(-2), 0.2, rtol=1e-4)
    same = bridges.sinkhorn(jnp.zeros((4, 4)))
    np.testing.assert_allclose(jnp.exp(same), 1 / 16, rtol=1e-5)


def test_repairing_undoes_a_permutation_within_each_group_and_leaves_the_targets():
    target = 10 * jax.random.normal(KEY, (6, 8, 3))
    shuffled = jax.vmap(lambda key, a: jax.random.permutation(key, a))(jax.random.split(KEY, 6), target + 0.01)
    batch = Coupled(shuffled, target, jnp.ones((6, 8, 1)), jnp.ones((6, 8)))
    paired = jax.jit(lambda b: bridges.repair(KEY, b, epsilon=0.005, iterations=200))(batch)
    np.testing.assert_allclose(paired.source, target + 0.01, rtol=1e-5)
    np.testing.assert_array_equal(paired.target, target)


def test_a_trained_bridge_follows_its_condition():
    """Targets N(c, 0.5^2) from sources N(0, 1), c = +-1: means within 0.1 after 300 steps of a small net."""
    net = nets.resnet(1, 1, 32, 1, dim_cond=1, time=True)
    bridge = bridges.matching(net, coupling="ot", steps=10)
    optimiser = optax.adam(optax.cosine_decay_schedule(1e-2, 300))
    c = jnp.array([[-1.0], [1.0]] * 8)[:, None]  # 16 groups of one condition each

    @jax.jit
    def train(key):
        def step(carry, key):
            params, state = carry
            a, b, d = jax.random.split(key, 3)
            cond = jnp.broadcast_to(c, (16, 16, 1))
            source, target = jax.random.normal(a, (16, 16, 1)), cond + 0.5 * jax.random.normal(b, (16, 16, 1))
            gradient = jax.grad(lambda p: bridge.loss(d, p, Coupled(source, target, cond))[0])(params)
            update, state = optimiser.update(gradient, state)
            return (optax.apply_updates(params, update), state), None

        params = bridge.init(key)
        return jax.lax.scan(step, (params, optimiser.init(params)), jax.random.split(key, 300))[0][0]

    params = train(KEY)
    for value in (-1.0, 1.0):
        x = bridge.transport(KEY, params, jax.random.normal(jax.random.key(2), (4000, 1)), jnp.full((4000, 1), value))
        assert float(x.mean()) == pytest.approx(value, abs=0.1)
        assert float(x.std()) == pytest.approx(0.5, abs=0.07)


def test_unknown_couplings_and_methods_are_refused():
    net = nets.mlp(1, 1, (4,), time=True)
    with pytest.raises(ValueError, match="coupling"):
        bridges.matching(net, coupling="exact")
    with pytest.raises(ValueError, match="method"):
        bridges.matching(net, method="leapfrog")
