"""Unfolding by learned posteriors: a normal example with a known posterior, the prior's correction, and acceptance."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import TOY_COLUMNS as COLUMNS
from toys import TOY_SMEAR, measured, toy_unfolding

from hepjax import flows, metrics
from hepjax.pipelines import unfolding
from hepjax.pipelines.posterior import acceptance
from hepjax.pipelines.posterior import verbs as posterior
from hepjax.pipelines.posterior.config import Config
from hepjax.training.config import Config as Training
from hepjax.types import Bridge, Column, InputError, Measured, Unfolding

N = 4000  # events of every table that can be, so that little is compiled twice
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
    prior_training=Training(epochs=30, batch_size=500, learning_rate=1e-2, ema=0.9, epochs_per_call=10),
)
pytestmark = pytest.mark.usefixtures("fast_compilation")
METHODS = ("sbunfold", "cinn", "didi")


@pytest.fixture(scope="module", params=METHODS)
def fitted(request):
    """A method, its state, the data it learned the prior of, and the unfolded ones."""
    simulation, data = toy_unfolding(0, N), toy_unfolding(1, N, mean=1.0)
    config = unfolding.Config(request.param, generative=TINY)
    state = unfolding.fit(jax.random.key(0), simulation, measured(data), config)
    return request.param, state, data, unfolding.unfold(jax.random.key(2), state, measured(data))


def test_posterior_of_a_normal_prior(fitted):
    """gen given reco = (r, 4), by integrals; a tiny net gets mean and width to 0.15."""
    _, state, *_ = fitted
    at = np.array([-1.0, 0.0, 0.5, 1.0])
    reco = np.stack([np.repeat(at, N // 4), np.full(N, 4.0)], 1)
    x = np.asarray(posterior.sample(jax.random.key(1), state, reco, 4).gen)[..., 0].reshape(4, 4, N // 4)
    # The count tells of x as well: its likelihood is Poisson(0.8 exp(1.5 + 0.2 x)) at 4.
    grid = np.linspace(-4, 4, 801)
    log_p = -0.5 * grid**2 - 0.5 * ((at[:, None] - grid) / TOY_SMEAR) ** 2
    log_p += 4 * 0.2 * grid - 0.8 * np.exp(1.5 + 0.2 * grid)
    p = np.exp(log_p - log_p.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    mean = p @ grid
    width = np.sqrt(p @ grid**2 - mean**2)
    np.testing.assert_allclose(x.mean((0, 2)), mean, atol=0.15)
    np.testing.assert_allclose(x.std((0, 2)), width, atol=0.15)


def test_the_prior_is_corrected(fitted):
    """A fifth of the way from the simulation's prior to the truth is left without correction, and little with it.

    Both means of 4,000 events have an error of 0.03 together; a tiny net of direct diffusion is 0.14 off.
    """
    *_, data, unfolded = fitted
    x, weight, truth = np.asarray(unfolded.gen)[:, 0], np.asarray(unfolded.weight, float), data.gen[:, 0].mean()
    before, after = x.mean() - truth, (weight * x).sum() / weight.sum() - truth
    assert -0.4 < before < -0.1 and abs(after) < min(0.16, 0.75 * abs(before))
    assert weight.sum() == pytest.approx(data.weight.sum(), rel=1e-6) and weight.std() > 0.1


def test_the_correction_tells_what_it_did(fitted):
    """By iteration, with the weights that the unfolded events of another key have."""
    _, state, _, unfolded = fitted
    found = unfolding.summary(state)["prior"]
    assert 1 <= len(found["change"]) <= TINY.iterations and {len(values) for values in found.values()} == {
        len(found["change"])
    }
    assert found["effective"][-1] == pytest.approx(metrics.effective_size(unfolded.weight) / N, abs=0.05)
    assert found["largest"][-1] > 1 and found["clipped"][-1] == 0


def test_draws_have_the_weights_of_the_corrected_prior(fitted):
    """Their mean is that of the unfolded events; without a correction all weigh one."""
    _, state, data, unfolded = fitted
    drawn = posterior.sample(jax.random.key(4), state, data.reco, 1)
    x, weight = np.asarray(drawn.gen)[0, :, 0], np.asarray(drawn.weight, float)[0]
    expected = np.average(unfolded.gen[:, 0], weights=unfolded.weight)
    assert np.average(x, weights=weight) == pytest.approx(expected, abs=0.05) and abs(weight.mean() - 1) < 0.05
    bare = state._replace(params=state.params._replace(prior=None))
    assert (np.asarray(posterior.sample(jax.random.key(4), bare, data.reco, 1).weight) == 1).all()


def test_noise_of_different_purposes_is_uncorrelated(fitted, monkeypatch):
    """Integers of the detector level are spread by other numbers than those a posterior starts from: 400 keys."""
    name, state, *_ = fitted
    if name != "sbunfold":
        pytest.skip("the same code")

    def noise(key, params, x, cond=None, rows=None):
        return flows.normal(2).sample(key, {}, x, rows=rows)

    monkeypatch.setitem(posterior.MODELS, "noise", lambda *_: Bridge(None, None, noise))
    state = state._replace(spec=dataclasses.replace(state.spec, method="noise"))
    reco = jnp.array([[0.0, 4.0]])
    drawn = jax.vmap(lambda key: posterior._draws(key, state, reco, 1))(jax.random.split(jax.random.key(5), 400))
    spread, start = np.asarray(drawn.reco)[:, 0, 1], np.asarray(drawn.draws)[:, 0, 0]
    assert spread.std() > 0.05
    for column in start.T:
        assert abs(np.corrcoef(spread, column)[0, 1]) < 4 / np.sqrt(400)


def test_unfolded_events_are_physical(fitted):
    unfolded = fitted[-1]
    gen = np.asarray(unfolded.gen)
    assert gen.shape == (N, 2) and (gen[:, 1] == np.round(gen[:, 1])).all() and (gen[:, 1] >= 0).all()
    assert unfolded.weight.shape == (N,) and unfolded.columns == COLUMNS


def test_save_and_load(fitted, tmp_path):
    """The loaded state unfolds to the same events; from columns in another order, too."""
    name, state, data, unfolded = fitted
    unfolding.save(tmp_path / "state", state)
    loaded = unfolding.load(tmp_path / "state")
    assert unfolding.method(loaded) == name and loaded.spec == state.spec
    swapped = Measured(data.reco[:, ::-1], data.weight, COLUMNS[::-1])
    np.testing.assert_array_equal(unfolding.unfold(jax.random.key(2), loaded, swapped).gen, unfolded.gen)


def test_the_ode_limit_maps_an_event_to_one(fitted):
    """Bridges alone have this limit, and share the training with their posterior."""
    name, state, data, _ = fitted
    if name not in ("sbunfold", "didi"):
        pytest.skip("no bridge")
    config = dataclasses.replace(TINY, ode=True)
    state = state._replace(spec=dataclasses.replace(state.spec, config=config))
    a, b = posterior.sample(jax.random.key(1), state, np.repeat(data.reco[:1], N, 0), 2).gen
    # The count at detector level is spread within its integer: once for both draws.
    np.testing.assert_allclose(a, b, atol=1e-5)


def test_further_conditions_and_zscores():
    """A column of reco that gen has not is a condition, and may come first; by flow matching, the fourth method."""
    sample = toy_unfolding(0, N)
    extra = np.concatenate([sample.gen[:, :1], sample.reco], 1)
    columns = (Column("helper"), *COLUMNS)
    simulation = dataclasses.replace(sample, reco=extra, reco_columns=columns)
    config = dataclasses.replace(TINY, coordinates="zscore", iterations=0)
    longer = dataclasses.replace(TINY.training, epochs=24)
    data = Measured(extra, sample.weight, columns)
    state = posterior.fit(jax.random.key(0), simulation, data, "cfm", dataclasses.replace(config, training=longer))
    assert [c.name for c in state.spec.reco_columns] == ["x_gev", "count", "helper"]
    x = np.asarray(unfolding.unfold(jax.random.key(1), state, data).gen)[:, 0]
    assert np.corrcoef(x, sample.gen[:, 0])[0, 1] > 0.93  # 0.89 without the helper, which is the truth itself


def losses(seed, n):
    """Thirds of n events that pass both levels, particle level alone, and detector level alone.

    Events at particle level are measured with the probability 1 / (1 + exp(0.6 x)); those at detector level alone are
    around x = -1.
    """
    every, fakes = toy_unfolding(seed, 5 * n), toy_unfolding(seed + 100, n, mean=-1)
    efficient = np.random.default_rng(seed).random(5 * n) < 1 / (1 + np.exp(0.6 * every.gen[:, 0]))
    both, lost = (every[np.flatnonzero(passed)[:n]] for passed in (efficient, ~efficient))
    nothing = np.full((n, 2), np.nan, np.float32)
    pass_gen, pass_reco = (np.repeat(flag, n) for flag in ([True, True, False], [True, False, True]))
    gen, reco = np.concatenate([both.gen, lost.gen, nothing]), np.concatenate([both.reco, nothing, fakes.reco])
    return Unfolding(gen, reco, np.ones(3 * n, np.float32), pass_gen, pass_reco, COLUMNS, COLUMNS)


def test_acceptance_efficiency_and_background():
    """Yields come out right: half of the events at either level are not at the other, and 400 of the data background.

    Every table is as long as those of the fits above. Weights are far below the numbers of float32.
    """
    size = 1e-45
    simulation, truth = losses(5, N), losses(6, 1800)
    rng = np.random.default_rng(3)
    noise, shifted = (np.stack([rng.normal(1.5, 0.5, n), rng.poisson(9, n)], 1).astype(np.float32) for n in (400, N))
    data = Measured(np.concatenate([truth.reco[truth.pass_reco], noise]), np.full(N, size), COLUMNS)
    background = Measured(shifted, np.full(N, size * 400 / N), COLUMNS)
    simulation = dataclasses.replace(simulation, weight=5e-39 * simulation.weight.astype(np.float64))
    state = posterior.fit(jax.random.key(0), simulation, data, "sbunfold", TINY, background=background)
    assert state.spec.shares == ("background", "purity", "efficiency")
    ones = dataclasses.replace(data, weight=np.ones(N))
    subtracted = acceptance.signal({"background": state.params.shares["background"]}, state.spec.nets, ones)
    assert float(subtracted.sum()) == pytest.approx(N - 400, rel=1e-5)
    clipped = unfolding.summary(state)["clipped"]
    assert list(clipped) == list(state.spec.shares) and all(0 <= fraction < 0.5 for fraction in clipped.values())
    unfolded = unfolding.unfold(jax.random.key(1), state, data)
    assert unfolding.clipped(state, data, unfolded)["background"] == clipped["background"]
    weight, x = np.asarray(unfolded.weight) / size, np.asarray(unfolded.gen)[:, 0]
    # Errors of the yield: 3 percent of the statistics, and what tiny nets miss of the efficiency.
    assert abs(weight.sum() / truth.pass_gen.sum() - 1) < 0.05
    above = weight[x > 0].sum() / weight.sum()
    assert abs(above - (truth.gen[truth.pass_gen, 0] > 0).mean()) < 0.04


def changed(**fields):
    return dataclasses.replace(TINY, **fields)


BAD = {
    "steps": (changed(steps=0), "config: steps is 0, expected at least 1"),
    "draws": (changed(draws=0), "config: draws is 0"),
    "tolerance": (changed(tolerance=-1.0), "config: tolerance is -1.0"),
    "beta": (changed(beta_max=0.0), "config: beta_max is 0.0, expected above zero"),
    "hidden": (changed(hidden=()), "config: hidden is (), expected one or several layers"),
}


@pytest.mark.parametrize("config, line", BAD.values(), ids=BAD.keys())
def test_options_out_of_range(config, line):
    simulation = toy_unfolding(0, 200)
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
    simulation = toy_unfolding(0, 200)
    with pytest.raises(InputError) as error:
        posterior.fit(jax.random.key(0), change(simulation), measured(simulation), "cfm", TINY)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_coupling_flow_needs_two_observables():
    pairs = toy_unfolding(0, 200)
    one = dataclasses.replace(
        pairs, gen=pairs.gen[:, :1], reco=pairs.reco[:, :1], gen_columns=COLUMNS[:1], reco_columns=COLUMNS[:1]
    )
    with pytest.raises(InputError, match="one observable"):
        posterior.fit(jax.random.key(0), one, measured(one), "cinn", TINY)
