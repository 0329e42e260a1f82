"""DSB against the Schrödinger bridge of two Gaussians, and its fitting as a resumable loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import bridges, dynamics, nets
from hepjax.types import Net

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
SCHEDULE = dynamics.Constant(steps=20, gamma=0.01)
N = 4000


def affine_per_step() -> Net:
    """The exact family for Gaussians: a slope and an offset for each of the points of the chain."""

    def apply(params, x, cond=None, time=None):
        k = jnp.round(jnp.asarray(time) * SCHEDULE.steps).astype(int)
        return params["slope"][k][..., None] * x + params["offset"][k][..., None]

    zeros = jnp.zeros(SCHEDULE.steps + 1)
    return Net(lambda key: {"slope": zeros, "offset": zeros}, apply)


@jax.jit
def least_squares(table):
    """The minimum of the loss in that family."""
    k = jnp.round(table.time * SCHEDULE.steps).astype(int)

    def sums(values):
        return jnp.zeros(SCHEDULE.steps + 1).at[k].add(values)

    x, y, n = table.x[:, 0], table.drift[:, 0], jnp.maximum(sums(jnp.ones(len(k))), 1)
    mx, my = sums(x) / n, sums(y) / n
    slope = sums((x - mx[k]) * (y - my[k])) / jnp.maximum(sums((x - mx[k]) ** 2), 1e-9)
    return {"slope": slope, "offset": my - slope * mx}


def fit(key, half, table, params, half_pass):
    fitted = least_squares(table)
    gradient = jax.grad(lambda p: half.loss(key, p, table)[0])(fitted)
    np.testing.assert_allclose(jax.tree.leaves(gradient), 0, atol=1e-4)  # the loss agrees that this is its minimum
    return fitted


@pytest.fixture(scope="module")
def problem():
    net, back = affine_per_step(), affine_per_step()
    source = bridges.Ends(0.8 * jax.random.normal(jax.random.key(1), (N, 1)))
    target = bridges.Ends(1.0 + 0.5 * jax.random.normal(jax.random.key(2), (N, 1)))
    return bridges.dsb(net, back, schedule=SCHEDULE, chunk=1000), source, target


def test_fitting_reaches_the_schroedinger_bridge_of_gaussians(problem):
    """Entropic coupling with the reference y = a x + N(0, v): cov = (sqrt(4 s0^2 s1^2 + w^2) - w) / 2, w = v / a.

    Here s0^2, s1^2 are the variances of the two samples; the fixed transition variance and the noise-free last step
    move variances by O(gamma) = a few percent.
    """
    bridge, source, target = problem
    *_, state = bridges.dsb_ipf(KEY, fit, bridge, source, target, iterations=8)
    x0 = bridge.forward.transport(jax.random.key(3), state.forward, source.x)
    assert float(x0.mean()) == pytest.approx(1.0, abs=0.05)
    assert float(x0.std()) == pytest.approx(0.5, rel=0.06)
    back = bridge.backward.transport(jax.random.key(4), state.backward, target.x)
    assert float(back.mean()) == pytest.approx(0.0, abs=0.06)
    assert float(back.std()) == pytest.approx(0.8, rel=0.06)

    a = (1 - SCHEDULE.gamma) ** SCHEDULE.steps
    w = 2 * SCHEDULE.gamma * sum((1 - SCHEDULE.gamma) ** (2 * j) for j in range(SCHEDULE.steps)) / a
    expected = (np.sqrt(4 * 0.8**2 * 0.5**2 + w**2) - w) / 2
    assert float(jnp.cov(source.x[:, 0], x0[:, 0])[0, 1]) == pytest.approx(expected, rel=0.1)


def test_fitting_resumes_at_any_half_pass_with_the_same_numbers(problem):
    bridge, source, target = problem
    states = list(bridges.dsb_ipf(KEY, fit, bridge, source, target, iterations=2))
    assert [s.half_pass for s in states] == [1, 2, 3, 4]
    assert states[0].forward is None
    resumed = list(bridges.dsb_ipf(KEY, fit, bridge, source, target, iterations=2, state=states[1]))
    jax.tree.map(np.testing.assert_array_equal, resumed[-1], states[-1])


def test_a_rollout_is_the_table_of_the_opposite_drift():
    """Conditions, weights and times of the opposite net, row by row; the reference process in closed form."""
    net, back = nets.mlp(2, 2, (4,), dim_cond=1, time=True), nets.mlp(2, 2, (4,), dim_cond=3, time=True)
    schedule = dynamics.Constant(steps=3, gamma=0.1)
    bridge = bridges.dsb(net, back, schedule=schedule, chunk=4)
    x = jax.random.normal(KEY, (5, 2))
    ends = bridges.Ends(x, jnp.arange(5.0)[:, None], jnp.ones((5, 3)), jnp.arange(5.0))
    table = bridge.forward.rollout(KEY, None, ends)
    assert table.x.shape == table.drift.shape == (15, 2)
    np.testing.assert_allclose(
        table.time.reshape(5, 3), jnp.broadcast_to(jnp.array([2 / 3, 1 / 3, 0]), (5, 3)), atol=1e-6
    )
    np.testing.assert_array_equal(table.weight, jnp.repeat(jnp.arange(5.0), 3))
    assert table.cond is not None and table.cond.shape == (15, 3)
    points = jnp.concatenate([x[:, None], table.x.reshape(5, 3, 2)], axis=1)
    expected = 0.9 * points[:, :-1] - 0.9 * points[:, 1:]
    np.testing.assert_allclose(table.drift.reshape(5, 3, 2), expected, atol=1e-5)
    trained = bridge.backward.rollout(
        KEY, jax.jit(back.init)(KEY), ends._replace(cond=jnp.ones((5, 3)), cond_opposite=x[:, :1])
    )
    np.testing.assert_allclose(trained.time[:3], jnp.array([1 / 3, 2 / 3, 1]), atol=1e-6)
    assert trained.cond is not None and trained.cond.shape == (15, 1)


def test_a_rollout_does_not_depend_on_its_chunks():
    net = nets.mlp(2, 2, (4,), time=True)
    ends = bridges.Ends(jax.random.normal(KEY, (7, 2)))
    params = jax.jit(net.init)(KEY)
    tables = [bridges.dsb(net, net, chunk=chunk).forward.rollout(KEY, params, ends) for chunk in (2, 100)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *tables)


def test_transport_leaves_the_last_noise_out():
    net = Net(lambda key: {}, lambda params, x, cond=None, time=None: 0 * x)
    bridge = bridges.dsb(net, net, schedule=dynamics.Constant(steps=1, gamma=0.5))
    np.testing.assert_array_equal(bridge.forward.transport(KEY, {}, jnp.ones((3, 1))), 1.0)
