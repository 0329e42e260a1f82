"""Profile OmniFold on the Gaussian example of arXiv:2409.10421, where everything is known in closed form.

X ~ N(mu, 1), Y1 = X + N(0, 1), Y2 = X + N(0, theta^2).
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm
from toys import same_numbers

from hepjax.pipelines import omnifold, profile_omnifold
from hepjax.pipelines.profile_omnifold import information as profile_information
from hepjax.pipelines.profile_omnifold import response as profile_response
from hepjax.pipelines.profile_omnifold import steps as profile_steps
from hepjax.pipelines.profile_omnifold.config import Learned
from hepjax.training import Config as Training
from hepjax.types import Column, InputError, Measured, Unfolding

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
GEN, RECO = (Column("x"),), (Column("y1"), Column("y2"))
THETA = profile_omnifold.Nuisance("theta", nominal=1.0, low=0.5, high=2.5)
SHORT = Training(
    epochs=4, batch_size=500, learning_rate=1e-2, weight_decay=1e-2, ema=0.9, validation=0.0, epochs_per_call=4
)
TINY = profile_omnifold.Config((THETA,), iterations=6, starts=3, hidden=(16,), training=SHORT)


def events(seed, n, mu=0.0, theta=1.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(mu, 1, (n, 1))
    return x.astype(np.float32), (x + rng.normal(size=(n, 2)) * [1, theta]).astype(np.float32)


def simulated(seed, n, **law):
    x, y = events(seed, n, **law)
    return Unfolding(x, y, np.ones(n, np.float32), np.ones(n, bool), np.ones(n, bool), GEN, RECO)


def measured(seed, n, **law):
    return Measured(events(seed, n, **law)[1], np.ones(n, np.float32), RECO)


def response(gen, reco, theta):
    z = reco[1] - gen[0]
    return 0.5 * z**2 * (1 - theta[0] ** -2) - jnp.log(theta[0])


def fisher(theta, variance=1.0):
    """Information of an event on theta with a free spectrum that is a Gaussian of this variance.

    With t = theta^2, S = (t y1 + y2) / (1 + t), which alone depends on x and has the variance v = t / (1 + t) given x,
    and D = y1 - y2 ~ N(0, 1 + t): what D tells by its width, and by its product with S.
    """
    t = theta**2
    v = t / (1 + t)
    return 2 * t / (1 + t) ** 2 + 4 / (t * (1 + t)) * v**2 / (variance + v)


@pytest.fixture(scope="module")
def sample():
    """2,000 events of data, 6,000 simulated."""
    return simulated(0, 6000), measured(1, 2000, mu=0.5, theta=1.2)


@pytest.fixture(scope="module")
def state(sample):
    return profile_omnifold.fit(KEY, *sample, response, TINY)


def test_a_fit_finds_theta_and_the_spectrum(state, sample):
    """Four of its own errors, which are those of the closed form but for the simulation; a mean of 6,000 events whose
    weights make them 2,000: 0.03 is a standard deviation of the mean, and of the width."""
    found = profile_omnifold.estimate(state)
    sigma = float(found.covariance[0, 0]) ** 0.5
    alone = (2000 * fisher(1.2)) ** -0.5
    assert alone < sigma < 2 * alone
    assert abs(found.theta[0] - 1.2) < 4 * sigma
    # A search on the way may end where float32 shows no further rise, before its tolerance.
    assert profile_omnifold.iterations(state).converged[-1]
    unfolded = profile_omnifold.unfold(KEY, state, sample[1])
    assert unfolded.columns == GEN and unfolded.replicas is None
    np.testing.assert_allclose(unfolded.weight.sum(), 2000, rtol=1e-4)
    x, weight = np.asarray(unfolded.gen)[:, 0], np.asarray(unfolded.weight)
    mean = np.average(x, weights=weight)
    assert abs(mean - 0.5) < 0.12
    assert abs(np.average((x - mean) ** 2, weights=weight) ** 0.5 - 1) < 0.12


def test_a_second_fit_compiles_no_search(state, sample):
    """Neither with other data nor from another key."""
    search = profile_steps.maximiser(response, profile_steps.gaussian(TINY.nuisances), TINY.starts)
    before = search._cache_size()
    one = dataclasses.replace(TINY, iterations=1)
    profile_omnifold.fit(jax.random.key(3), simulated(4, 6000), measured(5, 2000), response, one)
    assert search._cache_size() == before


def search(config, gen, reco, spectrum, pull, total, control):
    """One M-step from the nominal value."""
    penalty = profile_steps.gaussian(config.nuisances)
    nominal = jnp.array([nuisance.nominal for nuisance in config.nuisances])
    arrays = (jnp.asarray(a, float) for a in (gen, reco, spectrum, pull))
    step = profile_steps.maximiser(response, penalty, config.starts)
    return step(nominal, profile_steps.bounds(config), *arrays, total, control)


def test_the_m_step_is_the_weighted_mean_square():
    """theta^2 = mean of (y2 - x)^2 under the weights, whatever they are."""
    gen, reco = events(2, 1000, theta=1.3)
    weight = np.random.default_rng(3).gamma(2, 1, 1000)
    found = search(TINY, gen, reco, np.ones(1000), weight, 1000.0, 0.0)
    expected = np.sqrt(np.average((reco[:, 1] - gen[:, 0]) ** 2, weights=weight))
    assert found.converged and not found.at_bound.any()
    np.testing.assert_allclose(found.theta[0], expected, rtol=1e-4)


def test_normalised_weights_are_those_of_the_truncated_law():
    """With control 1 and the weights of some theta, that theta is found: the numbers of events cancel."""
    gen, reco = events(2, 1000)
    weight = np.exp(response(gen.T, reco.T, np.array([1.25])))
    found = search(TINY, gen, reco, np.ones(1000), weight, 1000.0, 1.0)
    np.testing.assert_allclose(found.theta[0], 1.25, rtol=1e-4)
    plain = search(TINY, gen, reco, np.ones(1000), weight, 1000.0, 0.0)
    assert abs(plain.theta[0] - 1.25) > 1e-2


@pytest.mark.parametrize("sigma, expected", [(1e-4, 0.8), (1e4, 1.3)])
def test_the_penalty_is_that_of_the_candidate(sigma, expected):
    """A strong one pulls theta to its centre, a weak one leaves the maximum: 1,000 events know theta to 0.03."""
    config = dataclasses.replace(TINY, nuisances=(dataclasses.replace(THETA, centre=0.8, sigma=sigma),))
    gen, reco = events(2, 1000, theta=1.3)
    found = search(config, gen, reco, np.ones(1000), np.ones(1000), 1000.0, 0.0)
    np.testing.assert_allclose(found.theta[0], expected, atol=1e-3 if sigma < 1 else 0.12)


def test_a_measurement_adds_its_information():
    """At equal information in the penalty, the estimate lies halfway (the likelihood is not quite a parabola)."""
    gen, reco = events(2, 1000, theta=1.3)
    free = search(TINY, gen, reco, np.ones(1000), np.ones(1000), 1000.0, 0.0).theta[0]
    sigma = float(free / np.sqrt(2 * 1000))
    centre = float(free - 2 * sigma)
    config = dataclasses.replace(TINY, nuisances=(dataclasses.replace(THETA, centre=centre, sigma=sigma),))
    found = search(config, gen, reco, np.ones(1000), np.ones(1000), 1000.0, 0.0).theta[0]
    np.testing.assert_allclose(found, free - sigma, atol=0.1 * sigma)


def test_a_maximum_beyond_the_bound_is_flagged_and_has_no_variance(sample):
    config = dataclasses.replace(TINY, nuisances=(dataclasses.replace(THETA, high=1.1),), iterations=2)
    state = profile_omnifold.fit(KEY, *sample, response, config)
    found = profile_omnifold.estimate(state)
    np.testing.assert_allclose(found.theta, 1.1, rtol=1e-6)
    assert profile_omnifold.iterations(state).at_bound[-1].all()
    assert np.isnan(found.covariance).all()


def exact(n, theta, seed=0):
    """Simulation made with the true theta and spectrum, for which all weights are 1."""
    gen, reco = events(seed, n, theta=theta)
    score = (-1 / theta + (reco[:, 1:] - gen) ** 2 / theta**3).astype(np.float64)
    ones = np.ones(n)
    data = events(seed + 1, n, theta=theta)[1]
    return profile_information.Matched(gen, reco, ones, ones, ones, score, data, ones)


@pytest.mark.parametrize("theta", [0.7, 1.0, 1.5])
def test_information_is_that_of_the_closed_form(theta):
    """Of 40,000 events, whose squared scores have a relative spread of some 3: 4 errors are 6 percent."""
    n = 40_000
    found = profile_information.information(exact(n, theta), control=0.0)
    np.testing.assert_allclose(found.complete, n * 2 / theta**2, rtol=0.04)
    np.testing.assert_allclose(found.observed, n * fisher(theta), rtol=0.06)
    np.testing.assert_allclose(found.missing, 1 - fisher(theta) * theta**2 / 2, atol=0.04)


def test_the_control_reduces_the_variance_and_the_missing_fraction_is_best():
    """The data's part of the variance is the information; the simulation adds to it, least at the missing fraction."""
    sample = exact(40_000, 1.5)
    told = profile_information.information(sample, 0.0)
    variances = [
        float(profile_information.information(sample, c).variance[0, 0]) for c in (0.0, told.missing, 2 * told.missing)
    ]
    assert told.observed[0, 0] < variances[1] < min(variances[0], variances[2])


def em_step(mu, variance, theta, data):
    """The iteration with exact ratios and infinite simulation, a Gaussian spectrum: its M-step by moments."""
    precision = 1 / variance + 1 + 1 / theta**2
    mean = (mu / variance + data[:, 0] + data[:, 1] / theta**2) / precision
    square = np.mean((data[:, 1] - mean) ** 2) + 1 / precision
    return mean.mean(), mean.var() + 1 / precision, np.sqrt(square)


def test_the_exact_iteration_converges_to_the_maximum_as_the_missing_information_says():
    """The data have three means and covariances for three parameters: at the maximum theirs are those of the model.

    The slowest direction is that of theta and the spectrum together, and so at least as slow as that of theta.
    """
    data = events(7, 20_000, mu=0.8, theta=1.5)[1].astype(np.float64)
    path = [(0.0, 1.0, 1.0)]
    for _ in range(80):
        path.append(em_step(*path[-1], data))
    mu, variance, theta = path[-1]
    away = np.abs(np.array(path)[:, 2] - theta)
    assert 1 - fisher(1.5) * 1.5**2 / 2 < away[21] / away[20] < 0.9

    law = np.array([[variance + 1, variance], [variance, variance + theta**2]])
    inverse = np.linalg.inv(law)
    slopes = np.zeros((2, 2)), np.ones((2, 2)), np.diag([0, 2 * theta])
    shifts = np.array([[1, 1], [0, 0], [0, 0]])
    away = data - mu
    excess = inverse @ (away.T @ away / len(data) - law) @ inverse
    scores = [
        np.trace(excess @ slope) / 2 + shift @ inverse @ away.mean(0)
        for slope, shift in zip(slopes, shifts, strict=True)
    ]
    np.testing.assert_allclose(scores, 0, atol=1e-6)
    # The information of theta with mean and variance of the spectrum profiled is the closed form's.
    both = np.array([[np.trace(inverse @ a @ inverse @ b) / 2 for a in slopes[1:]] for b in slopes[1:]])
    np.testing.assert_allclose(1 / np.linalg.inv(both)[1, 1], fisher(theta, variance), rtol=1e-9)


def test_a_learned_response_is_the_analytic_one():
    """From simulations of 8,000 events with other spectra, at a value that none of them has: log w has the width 0.3
    there. Where a few events are, at large (y2 - x)^2, classifiers fall short of a parabola."""
    variations = [(np.array([v]), simulated(10 + i, 8000, mu=0.2 * i, theta=v)) for i, v in enumerate((0.7, 1.0, 1.5))]
    training = Training(epochs=20, batch_size=500, learning_rate=1e-2, ema=0.95, validation=0.0, epochs_per_call=20)
    options = Learned((32, 32), training=training)
    learned = profile_response.fit(KEY, simulated(9, 8000), np.ones(1), variations, options)
    (gen, reco), at = events(20, 1000), jnp.array([1.4])
    found, expected = (jax.jit(jax.vmap(f, (0, 0, None)))(gen, reco, at) for f in (learned, response))
    assert np.sqrt(np.mean((found - expected) ** 2)) < 0.2
    assert np.corrcoef(found, expected)[0, 1] > 0.9
    assert learned(jnp.asarray(gen[0]), jnp.asarray(reco[0]), jnp.ones(1)) == 0


def filled(table, n):
    """The table with a fill value in every observable of its last n events."""
    return np.concatenate([table[:-n], np.full_like(table[-n:], -999)])


def test_fill_values_leave_theta_and_the_spectrum_as_they_are():
    """A third of the events have -999 at both levels, of which the response knows nothing."""

    def with_fill_values(gen, reco, theta):
        return jnp.where(gen[0] > -100, response(gen, reco, theta), 0.0)

    simulation, data = simulated(0, 6000), measured(1, 2000, mu=0.5, theta=1.2)
    simulation = dataclasses.replace(simulation, gen=filled(simulation.gen, 2000), reco=filled(simulation.reco, 2000))
    data = dataclasses.replace(data, reco=filled(data.reco, 667))
    state = profile_omnifold.fit(KEY, simulation, data, with_fill_values, TINY)
    found, unfolded = profile_omnifold.estimate(state), profile_omnifold.unfold(KEY, state, data)
    sigma = float(found.covariance[0, 0]) ** 0.5
    alone = (1333 * fisher(1.2)) ** -0.5
    assert 0.9 * alone < sigma < 2 * alone
    assert abs(found.theta[0] - 1.2) < 4 * sigma
    kept = np.asarray(unfolded.gen)[:, 0] > -100
    x, weight = np.asarray(unfolded.gen)[kept, 0], np.asarray(unfolded.weight)[kept]
    assert abs(np.average(x, weights=weight) - 0.5) < 0.15
    np.testing.assert_allclose(weight.sum(), 1333, rtol=0.05)


def test_events_that_are_not_measured_take_part():
    """Half of the events of negative x are lost, and the spectrum is corrected for them: 0.03 is a standard deviation
    of its mean."""
    simulation, (x, y) = simulated(0, 8000), events(1, 3000, mu=0.5, theta=1.2)
    lost = np.flatnonzero(simulation.gen < 0)[:2000]
    reco, passed = simulation.reco.copy(), np.ones(8000, bool)
    reco[lost], passed[lost] = np.nan, False
    data = Measured(y[(x[:, 0] > 0) | (np.arange(3000) % 2 == 0)][:2000], np.ones(2000, np.float32), RECO)
    simulation = dataclasses.replace(simulation, reco=reco, pass_reco=passed)
    unfolded = profile_omnifold.unfold(KEY, profile_omnifold.fit(KEY, simulation, data, response, TINY), data)
    np.testing.assert_allclose(np.average(unfolded.gen[:, 0], weights=unfolded.weight), 0.5, atol=0.12)
    lost_fraction = 0.5 * norm.cdf(-0.5)
    np.testing.assert_allclose(unfolded.weight.sum(), 2000 / (1 - lost_fraction), rtol=0.05)


def test_bootstraps_spread_as_the_error_says(sample):
    """Three replicas tell a standard deviation within a factor of three or so."""
    config = dataclasses.replace(TINY, bootstraps=3)
    state = profile_omnifold.fit(KEY, *sample, response, config)
    found = profile_omnifold.estimate(state)
    assert found.replicas.shape == (3, 1)
    assert 0.1 < np.std(found.replicas) / found.covariance[0, 0] ** 0.5 < 4
    replicas = profile_omnifold.unfold(KEY, state, sample[1]).replicas
    assert replicas.shape == (3, 6000) and np.isfinite(replicas).all()


def test_save_load_and_resume(state, sample, tmp_path, fit_until_killed):
    """A fit dies after each training of its two iterations."""
    profile_omnifold.save(tmp_path / "state", state)
    loaded = profile_omnifold.load(tmp_path / "state")
    assert loaded.spec == state.spec and same_numbers(loaded[1:], state[1:])
    with pytest.raises(InputError, match=r"holds another model.*, expected an unfolding by OmniFold"):
        omnifold.load(tmp_path / "state")
    two = dataclasses.replace(TINY, iterations=2)
    args, died = (KEY, *sample, response, two), 0
    while not fit_until_killed(1, profile_omnifold.fit, *args, folder=tmp_path / "run", resume=bool(died)):
        died += 1
    assert died > 2
    resumed = profile_omnifold.fit(*args, folder=tmp_path / "run", resume=True)
    assert same_numbers(resumed[1:], profile_omnifold.fit(*args)[1:])
    assert (tmp_path / "run" / "history.csv").read_text().count("iteration_2_gen") == SHORT.epochs


def nuisance(**changes):
    return dataclasses.replace(TINY, nuisances=(dataclasses.replace(THETA, **changes),))


@pytest.mark.parametrize(
    "config, expected",
    [
        (dataclasses.replace(TINY, iterations=0), "iterations is 0, expected at least 1"),
        (dataclasses.replace(TINY, nuisances=()), "nuisances are none, expected one or several"),
        (dataclasses.replace(TINY, nuisances=(THETA, THETA)), "nuisances are theta, theta, expected"),
        (nuisance(low=1.2), "nuisance theta has low 1.2, nominal 1.0, high 2.5, expected finite ones in this order"),
        (nuisance(high=np.inf), "high inf, expected finite"),
        (nuisance(sigma=0.0), "sigma 0.0, expected a finite centre and sigma above zero"),
        (dataclasses.replace(TINY, hidden=()), "hidden is \\(\\)"),
    ],
    ids=["iterations", "none", "twice", "order", "infinite", "sigma", "hidden"],
)
def test_options_out_of_range(sample, config, expected):
    with pytest.raises(InputError, match=expected):
        profile_omnifold.fit(KEY, *sample, response, config)


def test_what_cannot_be_unfolded(state, sample):
    simulation, data = sample
    fakes = dataclasses.replace(simulation, pass_gen=np.arange(6000) > 5)
    nan = dataclasses.replace(data, reco=np.where(np.arange(2000)[:, None] == 7, np.nan, data.reco))
    other = dataclasses.replace(data, columns=(Column("y1"), Column("y3")))
    cases = [
        ((fakes, data, response), {}, "events measured outside of the phase space"),
        ((simulation, nan, response), {}, "y1 is nan in row 7"),
        ((simulation, other, response), {}, "y2"),
        ((simulation, data, lambda x, y, t: jnp.log(x[0])), {}, "response: not finite in row"),
        ((simulation, data, lambda x, y, t: 0 * t[0]), {}, "response: does not depend on theta"),
        ((simulation, data, lambda x, y, t: x), {}, r"response: shape \(1,\) for one event, expected a number"),
        ((simulation, data, response), {"penalty": lambda t: jnp.nan * t[0]}, "penalty: nan at the nominal values"),
    ]
    for (first, second, third), options, expected in cases:
        with pytest.raises(InputError, match=expected):
            profile_omnifold.fit(KEY, first, second, third, TINY, **options)
    with pytest.raises(InputError, match="data: other events than those of the fit"):
        profile_omnifold.unfold(KEY, state, measured(6, 2000))


def test_simulations_that_teach_no_response():
    nominal = simulated(0, 200)
    renamed = dataclasses.replace(nominal, gen_columns=(Column("z"),))
    for variations, expected in (
        ([(np.ones(1), nominal)], "expected two or more"),
        ([(np.ones(2), nominal), (np.zeros(2), nominal)], r"shape \(2, 2\), expected two or more of \(1,\)"),
        ([(np.ones(1), nominal), (np.zeros(1), renamed)], "variation 1: other columns than the nominal simulation"),
    ):
        with pytest.raises(InputError, match=expected):
            profile_response.fit(KEY, nominal, np.ones(1), variations)
