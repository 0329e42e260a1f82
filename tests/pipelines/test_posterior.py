"""Unfolding by learned posteriors: a normal example with a known posterior, the prior's correction, and acceptance."""

import dataclasses

import jax
import numpy as np
import pytest

from hepjax.pipelines import posterior, unfolding
from hepjax.pipelines.generative_config import Config
from hepjax.training.config import Config as Training
from hepjax.types import Column, InputError, Measured, Unfolding

N = 4000
SMEAR = 0.5
COLUMNS = (Column("x_gev", "GeV"), Column("count"))
TINY = Config(
    width=32,
    blocks=1,
    depth=2,
    bins=4,
    steps=10,
    draws=4,
    iterations=2,
    hidden=(16,),
    training=Training(epochs=12, batch_size=200, learning_rate=5e-3, ema=0.98, epochs_per_call=12),
    prior_training=Training(epochs=5, batch_size=500, learning_rate=1e-2, ema=0.9, epochs_per_call=5),
)
pytestmark = pytest.mark.usefixtures("fast_compilation")
METHODS = ("sbunfold", "cinn", "cfm", "didi")


def events(seed, n=N, mean=0.0):
    """A normal quantity smeared by 0.5, and a count that depends on it, measured with losses."""
    rng = np.random.default_rng(seed)
    x = rng.normal(mean, 1, n)
    count = rng.poisson(np.exp(1.5 + 0.2 * x))
    gen = np.stack([x, count], 1).astype(np.float32)
    reco = np.stack([x + SMEAR * rng.normal(size=n), rng.binomial(count, 0.8)], 1).astype(np.float32)
    every = np.ones(n, bool)
    return Unfolding(gen, reco, np.ones(n, np.float32), every, every, COLUMNS, COLUMNS)


def measured(sample):
    return Measured(sample.reco, sample.weight, sample.reco_columns)


@pytest.fixture(scope="module", params=METHODS)
def fitted(request):
    """A method, its state and the simulation it learned from."""
    simulation, data = events(0), events(1, mean=0.3)
    config = unfolding.Config(request.param, generative=TINY)
    return request.param, unfolding.fit(jax.random.key(0), simulation, measured(data), config), data


def test_posterior_of_a_normal_prior(fitted):
    """gen given reco = r has mean r / (1 + 0.25) and width 0.447; a tiny net gets them to 0.15."""
    _, state, _ = fitted
    reco = np.stack([np.repeat([-1.0, 0.0, 1.0], 300), np.full(900, 4.0)], 1)
    x = np.asarray(posterior.sample(jax.random.key(1), state, reco, 4))[..., 0].reshape(4, 3, 300)
    # The count tells of x as well: its likelihood is Poisson(0.8 exp(1.5 + 0.2 x)) at 4.
    grid = np.linspace(-4, 4, 801)
    log_p = -0.5 * grid**2 - 0.5 * ((np.array([-1.0, 0.0, 1.0])[:, None] - grid) / SMEAR) ** 2
    log_p += 4 * 0.2 * grid - 0.8 * np.exp(1.5 + 0.2 * grid)
    p = np.exp(log_p - log_p.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    mean = p @ grid
    width = np.sqrt(p @ grid**2 - mean**2)
    np.testing.assert_allclose(x.mean((0, 2)), mean, atol=0.15)
    np.testing.assert_allclose(x.std((0, 2)), width, atol=0.15)


def test_the_prior_is_corrected(fitted):
    """Unfolded events are nearer to the truth, which is 0.3 from the prior, than those with the simulation's prior."""
    _, state, data = fitted
    uncorrected = state._replace(params=state.params._replace(prior=None))
    after, before = (
        np.asarray(unfolding.unfold(jax.random.key(2), s, measured(data)).gen)[:, 0].mean()
        for s in (state, uncorrected)
    )
    truth = data.gen[:, 0].mean()
    assert abs(after - truth) < 0.1  # two means of 4,000 events, and a tiny net
    assert abs(before - truth) > abs(after - truth) - 0.02


def test_unfolded_events_are_physical(fitted):
    _, state, data = fitted
    unfolded = unfolding.unfold(jax.random.key(2), state, measured(data))
    gen = np.asarray(unfolded.gen)
    assert gen.shape == (N, 2) and (gen[:, 1] == np.round(gen[:, 1])).all() and (gen[:, 1] >= 0).all()
    np.testing.assert_array_equal(unfolded.weight, data.weight)
    assert unfolded.columns == COLUMNS


def test_save_and_load(fitted, tmp_path):
    name, state, data = fitted
    unfolding.save(tmp_path / "state", state)
    loaded = unfolding.load(tmp_path / "state")
    assert unfolding.method(loaded) == name and loaded.spec == state.spec
    a, b = (unfolding.unfold(jax.random.key(3), s, measured(data)[:50]).gen for s in (state, loaded))
    np.testing.assert_array_equal(a, b)


def test_the_order_of_columns_does_not_matter(fitted):
    _, state, data = fitted
    swapped = Measured(data.reco[:50, ::-1], data.weight[:50], COLUMNS[::-1])
    a, b = (unfolding.unfold(jax.random.key(3), state, d).gen for d in (measured(data)[:50], swapped))
    np.testing.assert_array_equal(a, b)


def test_the_ode_limit_maps_an_event_to_one():
    simulation = events(0, 400)
    config = dataclasses.replace(TINY, ode=True, iterations=0)
    for method in ("sbunfold", "didi"):
        state = posterior.fit(jax.random.key(0), simulation, measured(simulation), method, config)
        a, b = posterior.sample(jax.random.key(1), state, np.repeat(simulation.reco[:1], 20, 0), 2)
        # The count at detector level is spread within its integer: once for both draws.
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_further_conditions_and_zscores():
    """A column of reco that gen has not is a condition, and may come first."""
    sample = events(0, 2000)
    extra = np.concatenate([sample.gen[:, :1], sample.reco], 1)
    columns = (Column("helper"), *COLUMNS)
    simulation = dataclasses.replace(sample, reco=extra, reco_columns=columns)
    longer = dataclasses.replace(TINY.training, epochs=40)
    config = dataclasses.replace(TINY, coordinates="zscore", iterations=0, training=longer)
    data = Measured(extra, sample.weight, columns)
    state = posterior.fit(jax.random.key(0), simulation, data, "cfm", config)
    assert [c.name for c in state.spec.reco_columns] == ["x_gev", "count", "helper"]
    x = np.asarray(unfolding.unfold(jax.random.key(1), state, data).gen)[:, 0]
    assert np.corrcoef(x, sample.gen[:, 0])[0, 1] > 0.93  # 0.89 without the helper, which is the truth itself


def test_acceptance_efficiency_and_background():
    """Yields come out right: 10 percent fakes, an efficiency that falls with x, and 400 background events."""
    rng = np.random.default_rng(3)

    def sample(seed):
        every = events(seed, 6000)
        values = every.gen[:, 0]
        efficient = np.random.default_rng(seed).random(6000) < 0.9 - 0.2 * (values > 0)
        inside = np.random.default_rng(seed + 100).random(6000) < 0.9
        gen = np.where(inside[:, None], every.gen, np.nan)
        reco = np.where(efficient[:, None], every.reco, np.nan)
        return dataclasses.replace(every, gen=gen, reco=reco, pass_gen=inside, pass_reco=efficient)

    simulation, truth = sample(5), sample(6)
    noise = np.stack([rng.normal(1.5, 0.5, 400), rng.poisson(9, 400)], 1).astype(np.float32)
    reco = np.concatenate([truth.reco[truth.pass_reco], noise])
    data = Measured(reco, np.ones(len(reco), np.float32), COLUMNS)
    shifted = np.stack([rng.normal(1.5, 0.5, 2000), rng.poisson(9, 2000)], 1).astype(np.float32)
    background = Measured(shifted, np.full(2000, 0.2, np.float32), COLUMNS)
    config = dataclasses.replace(TINY, iterations=0)
    state = posterior.fit(jax.random.key(0), simulation, data, "cfm", config, background=background)
    assert state.spec.shares == ("background", "purity", "efficiency")
    unfolded = unfolding.unfold(jax.random.key(1), state, data)
    weight, x = np.asarray(unfolded.weight), np.asarray(unfolded.gen)[:, 0]
    expected = truth.pass_gen.sum()
    # Errors of the yield: 1.5 percent of the statistics, and what tiny nets miss of the efficiency.
    assert abs(weight.sum() / expected - 1) < 0.05
    above = weight[x > 0].sum() / weight.sum()
    assert abs(above - (truth.gen[truth.pass_gen, 0] > 0).mean()) < 0.04


def changed(**fields):
    return dataclasses.replace(TINY, **fields)


BAD = {
    "steps": (changed(steps=0), "config: steps is 0, expected at least 1"),
    "draws": (changed(draws=0), "config: draws is 0"),
    "beta": (changed(beta_max=0.0), "config: beta_max is 0.0, expected above zero"),
    "hidden": (changed(hidden=()), "config: hidden is (), expected one or several layers"),
}


@pytest.mark.parametrize("config, line", BAD.values(), ids=BAD.keys())
def test_options_out_of_range(config, line):
    simulation = events(0, 200)
    with pytest.raises(InputError) as error:
        posterior.fit(jax.random.key(0), simulation, measured(simulation), "sbunfold", config)
    assert line in str(error.value)


EVENTS = {
    "negative weight": (lambda s: dataclasses.replace(s, weight=-s.weight), "negative"),
    "nan weight": (lambda s: dataclasses.replace(s, weight=np.nan * s.weight), "weight"),
    "no event measured": (lambda s: dataclasses.replace(s, pass_reco=~s.pass_reco), "pass"),
    "unpaired": (lambda s: dataclasses.replace(s, reco=s.reco[:-1]), "199"),
    "few": (lambda s: s[:50], "needs at least 100"),
    "another column": (
        lambda s: dataclasses.replace(s, reco_columns=(Column("other"), COLUMNS[1])),
        "x_gev",
    ),
}


@pytest.mark.parametrize("change, words", EVENTS.values(), ids=EVENTS.keys())
def test_events_that_cannot_be_unfolded(change, words):
    simulation = events(0, 200)
    with pytest.raises(InputError) as error:
        posterior.fit(jax.random.key(0), change(simulation), measured(simulation), "cfm", TINY)
    assert words in str(error.value) and "\n" not in str(error.value)
