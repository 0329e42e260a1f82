"""The continuous flow against closed forms: densities, samples, divergences, solvers."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hepjax import dynamics, nets
from hepjax.flows.matching import matching
from hepjax.types import Events, InputError, Net

pytestmark = pytest.mark.usefixtures("fast_compilation", "_float64")

KEY = jax.random.key(0)
MEAN, COVARIANCE = np.array([0.5, -1.0]), np.array([[1.5, 0.6], [0.6, 0.5]])
N = 20_000  # mean to 0.9, covariance to 1.5 percent (one sigma): tolerances are four of them


def closed_form(velocity):
    """A net of no parameters that is velocity(x, cond, t)."""
    return Net(lambda key: {}, lambda params, x, cond=None, time=None, mask=None: velocity(x, cond, time))


def solve(matrix, y):
    """matrix^-1 y for 2 x 2: of batches of them, `jnp.linalg.solve` may wait for ever on a CPU (jaxlib 0.10.2)."""
    (a, b), (c, d) = (jnp.moveaxis(matrix[..., row, :], -1, 0) for row in (0, 1))
    return jnp.stack([d * y[..., 0] - b * y[..., 1], a * y[..., 1] - c * y[..., 0]], -1) / (a * d - b * c)[..., None]


def gaussian_velocity(sigma_min):
    """E[(1 - sigma_min) z - x0 | x_t] where x0 is normal with mean MEAN + cond, and x_t = (1 - t) x0 + a z."""

    def velocity(x, cond, t):
        t = jnp.broadcast_to(t, x.shape[:-1])[..., None]
        mean = MEAN if cond is None else MEAN + cond
        a = sigma_min + (1 - sigma_min) * t
        spread = (1 - t)[..., None] ** 2 * COVARIANCE + a[..., None] ** 2 * np.eye(2)
        scaled = solve(spread, x - (1 - t) * mean)[..., None]
        return ((1 - sigma_min) * a[..., None] * scaled - (1 - t)[..., None] * COVARIANCE @ scaled)[..., 0] - mean

    return closed_form(velocity)


GAUSSIAN = {sigma: gaussian_velocity(sigma) for sigma in (0.0, 0.2)}
LINEAR = np.array([[0.3, 0.4, 0.0], [-0.2, 0.1, 0.5], [0.3, 0.1, -0.6]])
TURN = closed_form(lambda x, cond, t: x @ LINEAR.T)


@pytest.fixture
def _float64():
    """For all tests: JAX 0.10 mixes up the constants of diffrax if one process uses both precisions."""
    with jax.enable_x64(True):
        yield


@pytest.mark.parametrize("options", [{"method": "rk4"}, {"solver": "adaptive", "rtol": 1e-8, "atol": 1e-8}])
@pytest.mark.parametrize("sigma_min", GAUSSIAN)
def test_the_exact_velocity_has_the_exact_density(rng, sigma_min, options):
    """Normal with the covariance of the data, and sigma_min^2 on top."""
    x, cond = jnp.asarray(3 * rng.normal(size=(2, 5, 2))), jnp.asarray(rng.normal(size=(5, 2)))
    flow = matching(GAUSSIAN[sigma_min], 2, sigma_min=sigma_min, **options)
    covariance = COVARIANCE + sigma_min**2 * np.eye(2)
    expected = jax.scipy.stats.multivariate_normal.logpdf(x - cond, MEAN, covariance)
    np.testing.assert_allclose(flow.log_prob({}, x, cond), expected, rtol=1e-6)


def test_samples_follow_the_density():
    flow = matching(GAUSSIAN[0.0], 2)
    x = flow.sample(KEY, {}, shape=(N,))
    np.testing.assert_allclose(x.mean(0), MEAN, atol=0.035)
    np.testing.assert_allclose(jnp.cov(x.T), COVARIANCE, atol=0.06)
    cond = jnp.asarray([[0.0, 0.0], [3.0, -2.0]])
    moved = flow.sample(KEY, {}, cond, (N,))
    assert moved.shape == (N, 2, 2)
    np.testing.assert_allclose(moved.mean(0), MEAN + cond, atol=0.035)


@pytest.mark.parametrize("sigma_min", GAUSSIAN)
def test_the_loss_is_least_at_the_exact_velocity(rng, sigma_min):
    x = jnp.asarray(rng.multivariate_normal(MEAN, COVARIANCE, N))

    def loss(scale, shift):
        net = closed_form(lambda x, cond, t: scale * GAUSSIAN[sigma_min].apply({}, x, time=t) + shift)
        return matching(net, 2, sigma_min=sigma_min).loss(KEY, {}, Events(x))[0]

    best = jax.jit(jax.grad(loss, (0, 1)))(1.0, jnp.zeros(2))
    np.testing.assert_allclose(jnp.hstack(best), 0, atol=0.06)


def test_the_divergence_is_that_of_the_solved_map(rng):
    """log|dz/dx| by automatic differentiation of the solver; its own error is the fourth power of a step."""
    weights = rng.normal(size=(3, 3))
    net = closed_form(lambda x, cond, t: jnp.tanh(x @ weights + t) + 0.1 * x**2)
    x = jnp.asarray(rng.normal(size=(4, 3)))
    solved = lambda x: dynamics.ode(lambda x, t: net.apply({}, x, time=t), x, np.linspace(0, 1, 51), "rk4")  # noqa: E731
    expected = jnp.linalg.slogdet(jax.vmap(jax.jacfwd(solved))(x))[1] - 0.5 * jnp.sum(solved(x) ** 2, axis=-1)
    log_prob = matching(net, 3, method="rk4").log_prob({}, x) + 1.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(log_prob, expected, rtol=1e-6)


def test_hutchinson_is_unbiased_over_seeds():
    """Of a linear velocity the estimate has the variance 2/probes sum_{i != j} S_ij^2, S the symmetric part."""
    x = jnp.ones((2, 3))
    exact = matching(TURN, 3, steps=1).log_prob({}, x)
    estimates = [
        matching(TURN, 3, steps=1, divergence="hutchinson", probes=2, seed=seed).log_prob({}, x) for seed in range(20)
    ]
    errors = np.asarray(jnp.stack(estimates) - exact)
    symmetric = (LINEAR + LINEAR.T) / 2
    variance = np.sum((symmetric - np.diag(np.diag(symmetric))) ** 2)
    assert np.abs(errors.mean(0)).max() < 4 * np.sqrt(variance / 20)
    assert errors[:, 0].std() == pytest.approx(np.sqrt(variance), rel=0.6)  # four times 1 / sqrt(2 x 20) is 0.6


def test_hutchinson_with_all_directions_at_once_needs_no_luck():
    """Velocities that act on every coordinate alone have their divergence along any corner of the cube."""
    net = closed_form(lambda x, cond, t: jnp.sin(x))
    x = jnp.linspace(-1, 1, 6).reshape(2, 3)
    one = matching(net, 3, steps=4, divergence="hutchinson").log_prob({}, x)
    np.testing.assert_allclose(one, matching(net, 3, steps=4).log_prob({}, x), rtol=1e-6)


def test_adaptive_steps_belong_to_the_event(rng):
    """A batch, one by one, and beside an event that has no solution."""
    flow = matching(GAUSSIAN[0.0], 2, solver="adaptive")
    x = jnp.asarray(rng.normal(size=(3, 2)))
    batch = flow.log_prob({}, x)
    np.testing.assert_allclose(jnp.stack([flow.log_prob({}, event) for event in x]), batch, rtol=1e-5)
    broken = flow.log_prob({}, x.at[1].set(jnp.nan))
    assert jnp.isnan(broken).tolist() == [False, True, False]
    np.testing.assert_allclose(broken[::2], batch[::2], rtol=1e-5)


def test_a_trained_flow_integrates_to_one_and_knows_its_samples():
    """A ring in two dimensions: the integral to 1e-3, and -E[log p] of samples equals the integral of -p log p.

    2000 samples give that to 0.02 (one sigma).
    """
    net = nets.mlp(2, 2, (32, 32), time=True)
    flow = matching(net, 2)
    optimiser = optax.adam(optax.cosine_decay_schedule(5e-3, 400))

    def draw(key):
        angle, radius = jax.random.normal(key, (2, 128)) * jnp.asarray([[9.0], [0.2]])
        return (1.5 + radius) * jnp.stack([jnp.cos(angle), jnp.sin(angle)])

    @jax.jit
    def train(key):
        def step(carry, key):
            params, state = carry
            gradient = jax.grad(lambda p: flow.loss(key, p, Events(draw(key).T))[0])(params)
            update, state = optimiser.update(gradient, state)
            return (optax.apply_updates(params, update), state), None

        params = flow.init(key)
        return jax.lax.scan(step, (params, optimiser.init(params)), jax.random.split(key, 400))[0][0]

    params = train(KEY)
    axis = jnp.linspace(-5, 5, 81)
    grid = jnp.stack(jnp.meshgrid(axis, axis), -1)
    log_prob = flow.log_prob(params, grid)
    area = float(axis[1] - axis[0]) ** 2
    assert float(jnp.exp(log_prob).sum() * area) == pytest.approx(1, abs=1e-3)
    entropy = -float(jnp.sum(jnp.exp(log_prob) * log_prob) * area)
    assert entropy < 2.8  # a normal distribution of the same covariance has 3.0
    x = flow.sample(KEY, params, shape=(2000,))
    assert -float(flow.log_prob(params, x).mean()) == pytest.approx(entropy, abs=0.08)


def test_without_diffrax_the_adaptive_solver_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "diffrax", None)
    with pytest.raises(InputError, match=r"hepjax\[ode\]"):
        matching(TURN, 3, solver="adaptive", rtol=1e-2)


@pytest.mark.parametrize("option", ["method", "divergence", "solver"])
def test_unknown_options_are_refused(option):
    with pytest.raises(ValueError, match=option):
        matching(TURN, 3, **{option: "leapfrog"})
