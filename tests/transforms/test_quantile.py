"""Normal scores given a condition: exact laws, point masses at zero, inverses, Jacobians and edges."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hepjax import transforms

pytestmark = pytest.mark.usefixtures("fast_compilation")

NODES, KNOTS, N = 6, 33, 4000
SMOOTH, MIXED = (transforms.gaussianize(NODES, KNOTS, point_mass=mixed) for mixed in (False, True))
COMPILED = {False: SMOOTH, True: MIXED}
COMPILED = {mixed: t._replace(forward=jax.jit(t.forward), inverse=jax.jit(t.inverse)) for mixed, t in COMPILED.items()}
KEY = jax.random.key(0)
BOTH = pytest.mark.parametrize("mixed", [False, True], ids=["smooth", "point mass"])
PRECISION = pytest.mark.parametrize("x64", [False, True], ids=["float32", "float64"])


def zero_probability(cond):
    """Of the columns of `sample`: rising, falling and steep in the condition."""
    return np.concatenate([0.2 + 0.3 * cond, 0.9 - 0.5 * cond, 0.3 + 0 * cond], axis=1)


def sample(seed, n, mixed):
    """Three skew columns whose law depends on the condition in (0, 1); zeros spread over (-1, 0) where mixed."""
    rng = np.random.default_rng(seed)
    cond = rng.uniform(size=(n, 1))
    x = rng.gamma([2.0, 0.8, 5.0], size=(n, 3)) * np.exp(cond * [1.0, -2.0, 0.0])
    if mixed:
        x = np.where(rng.uniform(size=x.shape) < zero_probability(cond), -rng.uniform(1e-6, 1, size=x.shape), x)
    return x, cond


@functools.cache
def fitted(mixed, x64=False):
    """Compiled transform and constants, from 6,000 events."""
    with jax.enable_x64(x64):
        return COMPILED[mixed], COMPILED[mixed].fit(*sample(0, 6000, mixed))


def drawn(seed, mixed):
    """4,000 other events as arrays of JAX, always as many so that one compilation serves all tests."""
    x, cond = sample(seed, N, mixed)
    return jnp.asarray(x, float), jnp.asarray(cond, float)


@BOTH
@PRECISION
def test_round_trip(mixed, x64):
    """float32 keeps a relative 1e-3 of values in tails of 5 standard deviations, where its probabilities end."""
    with jax.enable_x64(x64):
        model, constants = fitted(mixed, x64)
        x, cond = drawn(1, mixed)
        y, log_det = model.forward(constants, x, cond)
        back, log_det_back = model.inverse(constants, y, cond)
        assert y.dtype == log_det.dtype == back.dtype == (jnp.float64 if x64 else jnp.float32)
        tolerance = dict(rtol=1e-9, atol=1e-9) if x64 else dict(rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(back, x, **tolerance)
        np.testing.assert_allclose(log_det_back, -log_det, atol=1e-6 if x64 else 2e-2)


@BOTH
def test_log_determinant_is_that_of_the_jacobian(mixed):
    with jax.enable_x64(True):
        model, constants = fitted(mixed, True)
        x, cond = drawn(2, mixed)
        y, _ = model.forward(constants, x, cond)
        for function, points in ((model.forward, x), (model.inverse, y)):
            one = jax.jacfwd(lambda x, c, function=function: function(constants, x, c)[0])
            jacobian = jax.jit(jax.vmap(one))(points, cond)
            diagonal = jnp.diagonal(jacobian, axis1=-2, axis2=-1)
            np.testing.assert_array_equal(jacobian, jax.vmap(jnp.diag)(diagonal))
            assert (diagonal > 0).all()
            _, log_det = function(constants, points, cond)
            np.testing.assert_allclose(log_det, jnp.log(diagonal).sum(-1), atol=1e-8)


@BOTH
def test_scores_of_an_independent_sample_are_standard_normal_given_the_condition(mixed):
    """4,000 events in 4 bins of the condition. KS distance of the sample itself and of the 6,000 / 6 events behind
    each table: below 1.95 (1/sqrt(1000) + 1/sqrt(1000)), passed by chance in less than a per mille of all bins.
    """
    model, constants = fitted(mixed)
    x, cond = drawn(3, mixed)
    z, _ = model.forward(constants, x, cond)
    for low in np.arange(4) / 4:
        rows = np.asarray((cond[:, 0] >= low) & (cond[:, 0] < low + 0.25))
        for column in np.asarray(z)[rows].T:
            assert stats.kstest(column, "norm").statistic < 2 * 1.95 / np.sqrt(1000)


def test_zeros_come_back_exactly_and_as_often_given_the_condition():
    """Normal scores decoded at a condition; 5 binomial errors of the 4,000 draws and of the events behind a table."""
    model, constants = fitted(True)
    for value in (0.1, 0.5, 0.9):
        z, cond = jax.random.normal(KEY, (N, 3)), jnp.full((N, 1), value)
        x = transforms.quantize(model.inverse(constants, z, cond)[0])
        expected = zero_probability(np.array([[value]]))[0]
        error = np.sqrt(expected * (1 - expected) * (1 / N + 1 / 1000))
        assert (np.abs((x == 0).mean(0) - expected) < 5 * error).all()
        assert (x >= 0).all()


def test_outliers_leave_the_scores_of_others_as_they_are():
    """Nine of 6,000 values are 1e6 in one column, and -1e6 in another: the table's end is theirs, on their side alone.

    Scores of a thousand events behind each node have errors of some 0.05 around the median; draws keep their quantiles.
    """
    model, constants = fitted(False)
    x, cond = sample(0, 6000, False)
    x[:9, 0], x[9:18, 1] = 1e6, -1e6
    spoiled = model.fit(x, cond)
    others, given = drawn(5, False)
    clean, found = (np.asarray(model.forward(c, others, given)[0]) for c in (constants, spoiled))
    inside = np.abs(clean) < 2
    assert np.abs(found - clean)[inside].max() < 0.1
    z = jax.random.normal(KEY, (N, 3))
    draws, expected = (np.asarray(model.inverse(c, z, given)[0]) for c in (spoiled, constants))
    np.testing.assert_allclose(*(np.quantile(d, [0.03, 0.5, 0.97], axis=0) for d in (draws, expected)), rtol=0.05)
    back = model.inverse(spoiled, model.forward(spoiled, others, given)[0], given)[0]
    # Up to an outlier, float32 keeps steps of 0.1.
    assert np.isclose(back, others, rtol=1e-3, atol=1e-5).mean() > 0.998


def test_dequantised_zeros_survive_the_round_trip():
    model, constants = fitted(True)
    x, cond = drawn(4, True)
    exact = transforms.quantize(x)
    spread = jax.jit(transforms.dequantize)(jax.random.split(KEY, N), exact)
    assert ((spread != 0) & (spread > -1)).all()
    np.testing.assert_array_equal(transforms.quantize(spread), exact)
    z, _ = model.forward(constants, spread, cond)
    back = transforms.quantize(model.inverse(constants, z, cond)[0])
    np.testing.assert_array_equal(back == 0, exact == 0)


def test_dequantisation_belongs_to_the_event():
    keys, x = jax.random.split(KEY, (2, 3)), jnp.zeros((2, 3, 4))
    whole = transforms.dequantize(keys, x)
    np.testing.assert_array_equal(whole[1, 2], transforms.dequantize(keys[1, 2], x[1, 2]))
    assert len(np.unique(whole)) == whole.size


@BOTH
def test_values_and_gradients_are_finite_at_the_edges(mixed):
    """Values far beyond the sample, zeros as they are, and conditions outside the nodes."""
    model, constants = fitted(mixed)
    edge = [-1.0, -0.5, -1e-7, 0.0, 1e-15, 1e-6, 1.0, 1e6] if mixed else [-1e3, 0.0, 1.0, 1e3]
    x, cond = (a.reshape(-1, 1) for a in jnp.meshgrid(jnp.asarray(edge), jnp.asarray([-1.0, 0.0, 0.5, 1.0, 2.0])))
    x = jnp.repeat(x, 3, axis=1)
    for function, points in ((model.forward, x), (model.inverse, jnp.clip(x, -8, 8))):
        total = lambda x, cond, function=function: sum(jnp.sum(a) for a in function(constants, x, cond))  # noqa: E731
        value, gradients = jax.jit(jax.value_and_grad(total, argnums=(0, 1)))(points, cond)
        assert np.isfinite(value)
        assert all(bool(jnp.isfinite(g).all()) for g in gradients)


def test_smooth_scores_are_invertible_far_beyond_the_sample():
    model, constants = fitted(False)
    x, cond = jnp.asarray([[-50.0, -50.0, -50.0], [200.0, 200.0, 200.0]]), jnp.asarray([[-0.5], [1.5]])
    z, _ = model.forward(constants, x, cond)
    np.testing.assert_allclose(model.inverse(constants, z, cond)[0], x, rtol=1e-4)


@BOTH
def test_weights_are_repetitions(mixed):
    """Up to where nodes and outermost knots lie, which follow the number of rows."""
    model = COMPILED[mixed]
    x, cond = sample(6, N, mixed)
    weight = 1 + (x[:, 0] > np.median(x[:, 0]))
    weighted = model.fit(x, cond, weight)
    repeated = model.fit(np.repeat(x, weight, axis=0), np.repeat(cond, weight, axis=0))
    x, cond = jnp.asarray(x, float), jnp.asarray(cond, float)
    (a, _), (b, _), (c, _) = (model.forward(k, x, cond) for k in (weighted, repeated, model.fit(x, cond)))
    assert np.sqrt(np.mean((a - b) ** 2)) < 0.05
    assert np.sqrt(np.mean((a - c)[:, 0] ** 2)) > 0.2


def test_a_cell_that_is_never_hit_stays_empty():
    """Half an event among the 600 of a node may appear, and then no larger than the faintest that was seen."""
    x, cond = sample(7, N, True)
    x[:, 1] = -1 + 0.5 * np.abs(np.sin(np.arange(N)))
    model, (x, cond) = COMPILED[True], (jnp.asarray(x, float), jnp.asarray(cond, float))
    constants = model.fit(x, cond)
    back = transforms.quantize(model.inverse(constants, jax.random.normal(KEY, (N, 3)), cond)[0])
    assert (back[:, 1] > 0).sum() < 20
    assert back[:, 1].max() < 1.01 * x[x > 0].min()
    assert np.isfinite(model.forward(constants, x, cond)[0]).all()


def test_few_discrete_conditions(rng):
    """Beams of three energies: nodes coincide, and the scores are normal at each beam (KS bound as above)."""
    beam = np.arange(N) % 3
    x, cond = rng.normal(10.0 * beam**3, 1.0 + beam, size=(3, N)).T, beam[:, None].astype(float)
    model = COMPILED[False]
    z, log_det = model.forward(model.fit(x, cond), jnp.asarray(x, float), jnp.asarray(cond, float))
    assert np.isfinite(log_det).all()
    for energy in range(3):
        assert stats.kstest(np.asarray(z)[beam == energy, 0], "norm").statistic < 1.95 / np.sqrt(1000)


def test_a_column_of_no_width_has_finite_scores():
    """A response that depends on the condition alone, not as a parabola: ties all the way."""
    cond = np.repeat(np.arange(1.0, 5.0), N // 4)[:, None]
    x = np.repeat(3 * np.sin(4 * cond), 3, axis=1)
    model = COMPILED[False]
    z, log_det = model.forward(model.fit(x, cond), jnp.asarray(x, float), jnp.asarray(cond, float))
    assert np.isfinite(z).all() and np.isfinite(log_det).all()
