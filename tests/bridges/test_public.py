"""Bridges against numbers that the published code of their papers gave, with noise by a formula, in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import bridges, dynamics
from hepjax.types import Coupled

pytestmark = pytest.mark.usefixtures("fast_compilation", "_float64")

KEY = jax.random.key(0)
X = np.array([[0.3, -1.2], [1.5, 0.2]])
MATRIX = np.array([[0.6, -0.3], [0.2, 0.5]])

# `Diffusion` of I2SB's repository, whose copy SBUnfold uses, with SBUnfold's schedule (1,000 steps from 1e-5 to 0.1),
# in float64: step -> sigma_fwd, sigma_bwd, mu0, mu1, sigma.
I2SB = {
    0: [0.0031622776601683794, 0.15713965090341203, 0.9995951887353117, 0.00040481126468826424, 0.003161637532569652],
    250: [0.06413777260644983, 0.1435373339157785, 0.8335672977192565, 0.16643270228074347, 0.0585577265974921],
    499: [0.11111451274708943, 0.11130903511391571, 0.5008745576622449, 0.49912544233775513, 0.07863850927371639],
    999: [0.15713965090341203, 0.0031622776601683794, 0.00040481126468826424, 0.9995951887353117, 0.003161637532569652],
}
# Its `space_indices(1000, n + 1)`, of which sum_i i index_i. Not of 20 or 250 steps, where a point lies halfway between
# two of the grid, at 499.5: ours is 500, theirs 499 by the rounding of a running sum.
SUBSETS = {1: 999, 2: 2498, 3: 4662, 5: 10988, 10: 38460, 50: 857550, 100: 3379725}
# Its `ddpm_sampling` in ten of 200 steps (1e-4 to 0.5), with and without noise.
SAMPLED = {
    "ode": [[-0.05559669997721438, -1.1403498352155939], [1.0662434871885678, -0.10555502851511558]],
    "sde": [[-0.07950085123774164, -1.158782759053639], [1.065391867414689, -0.08360043745003456]],
}

# `Langevin` of DSB's repository, four steps of gamma = 0.05 from X: points, and goals of the opposite drift. First the
# Ornstein-Uhlenbeck process, then a drift 0.3 sin(MATRIX x + t) whose time t runs over 1/4, 2/4, 3/4, 1.
DSB = {
    "reference": (
        [[[0.4558585911584281, -1.271597184456277], [0.1200025460271158, -1.4147175872303202],
          [0.20370427793825, -1.0403492031256119], [0.4319238897273787, -1.0343428936160035]],
         [[1.111936884426609, -0.016700261996857008], [1.1460418994177688, 0.287767255846178],
          [1.3271446301329215, 0.22736774240719684], [0.9726627113601476, -0.04933835988134183]]],
        [[[-0.14806566160050671, 0.06801732523346327], [0.3190632428747467, 0.13596438263534094],
          [-0.0795166453155775, -0.35564996489947287], [-0.21680863119967225, -0.005705994034127859]],
         [[0.3686599597947213, 0.20586524889701416], [-0.032399764241601625, -0.2892441419508832],
          [-0.17204759417939508, 0.057379537767032085], [0.33675782283413525, 0.26287079717411177]]],
    ),
    "drift": (
        [[[0.6839645728837105, -1.4173828519877278], [0.6626415926141951, -1.645634088618763],
          [1.051598669839733, -1.3240988445511555], [1.5591656051780352, -1.2137464413753614]],
         [[1.4529249587614552, 0.17485565972395486], [1.8331890313608359, 0.7093295319592565],
          [2.37093438261038, 0.9618347547088162], [2.33647276680714, 0.9746144770431213]]],
        [[[-0.436232716465238, 0.22650762252902767], [0.01788432279639318, 0.2634429871106123],
          [-0.3832732019901557, -0.39179270406072586], [-0.46219167021299423, -0.14838983595023603]],
         [[0.050004103290033575, 0.030438891706015492], [-0.3846552234538372, -0.5854963596203491],
          [-0.523809295439265, -0.25128712141421583], [0.030612247513563062, -0.012836201782691514]]],
    ),
}  # fmt: skip
# The last point of the same chain with `sample=True`, which leaves the last noise out.
DSB_END = [[1.320760779491994, -1.167735290728689], [2.624597454073268, 1.2399521922113002]]


@pytest.fixture
def _float64():
    with jax.enable_x64(True):
        yield


@pytest.fixture
def known_noise(monkeypatch):
    """cos(1 + 2 step + place) for the noise of a chain, where the place counts coordinates of all events."""

    def of_all(keys, step, dim, dtype=jnp.float64):
        return jnp.cos(1 + 2.0 * step + jnp.arange(keys.size * dim)).reshape(*keys.shape, dim)

    monkeypatch.setattr(dynamics.samplers, "event_noise", of_all)
    return of_all


@pytest.mark.parametrize("step", I2SB)
def test_the_schedule_of_i2sb(step):
    table = dynamics.Symmetric().table()
    found = [column[step] for column in (table.sigma_fwd, table.sigma_bwd, table.mu0, table.mu1, table.sigma)]
    np.testing.assert_allclose(found, I2SB[step], rtol=1e-12)


@pytest.mark.parametrize("steps", SUBSETS)
def test_the_grids_of_its_sampler(steps):
    rising = dynamics.Symmetric().subset(steps)[::-1]
    assert int(np.arange(steps + 1) @ rising) == SUBSETS[steps]


@pytest.mark.parametrize("ode", [True, False], ids=["ode", "sde"])
def test_the_sampler_of_i2sb(closed_form, known_noise, ode):
    schedule = dynamics.Symmetric(steps=200, beta_min=1e-4, beta_max=0.5)
    net = closed_form(lambda x, cond, time: jnp.sin(x @ MATRIX.T + time))
    bridge = bridges.i2sb(net, schedule=schedule, steps=10, ode=ode)
    found = bridge.transport(KEY, {}, jnp.asarray(X))
    np.testing.assert_allclose(found, SAMPLED["ode" if ode else "sde"], rtol=1e-10)


@pytest.mark.parametrize("drift", [False, True], ids=["reference", "drift"])
def test_the_chains_of_dsb(closed_form, monkeypatch, drift):
    """The published chain evaluates its drift at the end of a step, ours at its start: t is ours and a quarter.

    Chains run one by one: the noise of the second event is that of places 2 and 3.
    """
    noise = jnp.cos(1 + 2.0 * jnp.arange(4)[:, None, None] + jnp.arange(4).reshape(2, 2))

    def of_one(key, step, dim, dtype=jnp.float64):
        row = jnp.argmax((jax.random.key_data(keys) == jax.random.key_data(key)).all(-1))
        return noise[step, row]

    keys = dynamics.event_keys(KEY, (2,))
    monkeypatch.setattr(dynamics, "event_noise", of_one)
    net = closed_form(lambda x, cond, time: 0.3 * jnp.sin(x @ MATRIX.T + (1 - time + 0.25)[..., None]))
    bridge = bridges.dsb(net, net, schedule=dynamics.Constant(steps=4, gamma=0.05))
    table = bridge.forward.rollout(KEY, {} if drift else None, bridges.Ends(jnp.asarray(X)))
    points, goals = DSB["drift" if drift else "reference"]
    np.testing.assert_allclose(table.x.reshape(2, 4, 2), points, rtol=1e-10)
    np.testing.assert_allclose(table.drift.reshape(2, 4, 2), goals, rtol=1e-9)


def test_the_last_step_of_dsb(closed_form, known_noise):
    net = closed_form(lambda x, cond, time: 0.3 * jnp.sin(x @ MATRIX.T + 1 - time + 0.25))
    bridge = bridges.dsb(net, net, schedule=dynamics.Constant(steps=4, gamma=0.05))
    np.testing.assert_allclose(bridge.forward.transport(KEY, {}, jnp.asarray(X)), DSB_END, rtol=1e-10)


def test_bridge_matching_learns_the_reverse_drift_of_torchcfm(closed_form):
    """torchcfm 1.0.7, `SchrodingerBridgeConditionalFlowMatcher(0.4)`: its flow u at x, with 1e-8 added below.

    Backwards the process has the drift u - sigma^2 / 2 grad log p (arXiv:2307.03672, eq. 6): with it the loss vanishes.
    """

    def flow(x, x0, x1, t):
        mean = (1 - t)[..., None] * x0 + t[..., None] * x1
        return ((1 - 2 * t) / (2 * t * (1 - t)))[..., None] * (x - mean) + x1 - x0

    def score(x, x0, x1, t):
        mean = (1 - t)[..., None] * x0 + t[..., None] * x1
        return -(x - mean) / (0.4**2 * t * (1 - t))[..., None]

    x1, t = np.array([[1.0, 0.4], [-0.6, 0.9]]), np.array([0.25, 0.6])
    x = np.array([[0.5616025403784438, -0.9385640646055101], [0.4947469332494506, 0.6395959179422656]])
    u = [[0.8154700507587238, 1.4152479187860418], [-2.2061445533092594, 0.6918350343608262]]
    np.testing.assert_allclose(flow(x, X, x1, t), u, rtol=1e-8)
    eps = np.array([[0.5, -0.8], [1.3, 0.1]])
    points = dynamics.brownian(*map(jnp.asarray, (X, x1, t)), 0.4, jnp.asarray(eps))
    np.testing.assert_allclose(points, x, rtol=1e-12)

    def drift(x, cond, time):
        x0, x1 = jnp.split(cond, 2, axis=-1)
        return flow(x, x0, x1, time) - 0.4**2 / 2 * score(x, x0, x1, time)

    bridge = bridges.matching(closed_form(drift), sigma=0.4)
    batch = Coupled(jnp.asarray(x1), jnp.asarray(X), jnp.asarray(np.concatenate([X, x1], -1)))
    assert float(bridge.loss(jax.random.key(1), {}, batch)[0]) < 1e-20


def test_sinkhorn_is_that_of_pot():
    """POT 0.9.7, `sinkhorn` to 1e-14: the first row of the plan, and its cost."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(120, 3)), 0.3 + 0.8 * rng.normal(size=(90, 3))
    u, v = rng.uniform(size=120)[:12], rng.uniform(size=90)[:9]
    cost = ((a[:12, None, :2] - b[None, :9, :2]) ** 2).sum(-1)
    plan = np.exp(bridges.sinkhorn(*map(jnp.asarray, (cost, u, v)), epsilon=0.3, iterations=500))
    row = [0.0047591904525472436, 0.01022956505535065, 0.062183986573213564, 0.005908578495791094, 0.004081357665726,
           0.0031711902329399325, 0.002515149948077738, 0.008513015313826871, 0.004092689012405232]  # fmt: skip
    np.testing.assert_allclose(plan[0], row, rtol=1e-9)
    assert float((plan * cost).sum()) == pytest.approx(1.6810552576852953, rel=1e-10)
