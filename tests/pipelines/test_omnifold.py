"""OmniFold on normal distributions, of which every iteration is known exactly; its files and its errors."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm
from toys import same_numbers

from hepjax.pipelines import omnifold
from hepjax.pipelines.events import reweighting
from hepjax.pipelines.omnifold import convergence as omnifold_diagnostics
from hepjax.pipelines.omnifold import steps as omnifold_steps
from hepjax.training import Config as Training
from hepjax.training import checkpoint, read_histories
from hepjax.types import Column, InputError, Measured, Unfolding

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
COLUMN = (Column("x", "GeV"),)
SHORT = Training(epochs=10, batch_size=500, learning_rate=1e-2, ema=0.9, validation=0.0, epochs_per_call=10)
SMALL = omnifold.Config(iterations=3, hidden=(16,), training=SHORT)
QUICK = dataclasses.replace(SMALL, iterations=2, hidden=(8,), training=dataclasses.replace(SHORT, epochs=2))
N = 8000
PRIOR, TRUTH, SMEAR = (0.2, 0.8), (0.0, 1.0), 0.5


def column(x):
    return np.asarray(x, np.float32)[:, None]


def measured(x, weight=None):
    return Measured(column(x), np.ones(len(x), np.float32) if weight is None else weight, COLUMN)


def simulated(seed, n=N, law=PRIOR, weight=None, efficiency=1.0, inside=1.0):
    """Pairs of a normal truth and its smeared measurement, of which some fail at random; failures hold NaN."""
    rng = np.random.default_rng(seed)
    gen = rng.normal(*law, n)
    reco = gen + rng.normal(0, SMEAR, n)
    pass_reco, pass_gen = rng.random(n) < efficiency, rng.random(n) < inside
    weight = np.ones(n, np.float32) if weight is None else weight
    gen, reco = np.where(pass_gen, gen, np.nan), np.where(pass_reco, reco, np.nan)
    return Unfolding(column(gen), column(reco), weight, pass_gen, pass_reco, COLUMN, COLUMN)


def observed(seed, n=N, **kwargs):
    """The data of `TRUTH`."""
    events = simulated(seed, n, TRUTH, **kwargs)
    return measured(events.reco[events.pass_reco, 0])


def moments(x, weight):
    mean = np.average(x, weights=weight)
    return mean, np.sqrt(np.average((x - mean) ** 2, weights=weight))


def exact_moments(iterations):
    """Mean and width after each iteration with exact ratios: that of the posteriors, averaged over the data."""
    (mean, width), (data, variance) = PRIOR, (TRUTH[0], TRUTH[1] ** 2 + SMEAR**2)
    for _ in range(iterations):
        gain = width**2 / (width**2 + SMEAR**2)
        mean, width = mean + gain * (data - mean), np.sqrt(gain**2 * variance + (1 - gain) * width**2)
        yield mean, width


# Of a mean, twice: the spread 1.1 of the data, and that of the simulation's weights, with effective numbers N each
# (0.8 N); four errors, and as much again for what a small net leaves. A width has 1 / sqrt 2 of the error.
ERROR = np.sqrt(1.25 / N + 1.25 / N)
TOLERANCE = 4 * ERROR


@pytest.fixture(scope="module")
def state():
    return omnifold.fit(KEY, simulated(0), observed(1), SMALL)


def test_every_iteration_is_that_of_exact_ratios(state):
    gen = np.asarray(state.constants.gen[:, 0], np.float64)
    for weight, (mean, width) in zip(state.constants.weight, exact_moments(SMALL.iterations), strict=True):
        np.testing.assert_allclose(moments(gen, weight), (mean, width), atol=TOLERANCE)


def test_the_weights_are_the_exact_likelihood_ratio(state):
    """Against that of the exact last iteration, in the bulk of the truth: the error of ln r is some percent."""
    (m, s), (mean, width) = PRIOR, list(exact_moments(SMALL.iterations))[-1]
    x = np.linspace(-1.2, 1.6, 15)
    exact = np.exp(0.5 * ((x - m) / s) ** 2 - 0.5 * ((x - mean) / width) ** 2) * s / width
    np.testing.assert_allclose(omnifold.push(state, column(x)), exact, rtol=0.15)


def test_the_weights_are_those_of_the_package(state):
    """omnifold 0.1.36 (its `MLP`, 30 epochs a step) on the same events: mean weights in ten bins of as many events.

    They are means of two of its trainings, which lie within 2.4 percent; four of these, and as many for ours.
    """
    package = [1.924, 1.119, 0.956, 0.873, 0.826, 0.797, 0.787, 0.797, 0.844, 1.077]
    gen, weight = np.asarray(state.constants.gen[:, 0]), np.asarray(state.constants.weight[-1], np.float64)
    bins = np.searchsorted(np.quantile(gen, np.arange(1, 10) / 10), gen)
    found = np.bincount(bins, weight) / np.bincount(bins)
    np.testing.assert_allclose(found / found.mean(), package, rtol=4 * 0.034)


def test_unfolded_events_and_their_yield(state):
    unfolded = omnifold.unfold(KEY, state, observed(1))
    assert unfolded.columns == COLUMN and unfolded.replicas is None
    np.testing.assert_array_equal(unfolded.gen, simulated(0).gen)
    np.testing.assert_array_equal(unfolded.weight, state.constants.weight[-1])
    np.testing.assert_allclose(unfolded.weight.sum(), N, rtol=1e-5)
    np.testing.assert_allclose(omnifold.push(state, unfolded.gen), unfolded.weight, rtol=1e-4)


def test_the_record_shows_weights_and_closure(state):
    record = omnifold.diagnostics(state)
    weight = np.asarray(state.constants.weight, np.float64)
    gen = record.steps["gen"]
    np.testing.assert_allclose(gen.effective, weight.sum(1) ** 2 / np.square(weight).sum(1), rtol=1e-4)
    np.testing.assert_allclose(gen.largest, weight.max(1), rtol=1e-2)
    np.testing.assert_allclose(gen.quantiles[:, 2], np.median(weight, 1), rtol=1e-2)
    assert (record.steps["reco"].epochs == SHORT.epochs).all() and not gen.clipped.any()
    # 18 degrees of freedom: chi2 / ndf has the width 1 / 3; the prior is many widths off.
    assert record.chi2.shape == (4, 1) and record.chi2[0] > 5 and record.chi2[-1] < 2
    assert len(omnifold.table(record).splitlines()) == 2 + 2 * SMALL.iterations


def test_clipped_logits_are_counted():
    history = {"epoch": np.arange(1.0, 4), "loss": np.array([0.7, 0.6, 0.5]), "val_loss": np.array([0.7, 0.6, 0.65])}
    logits = np.array([0, reweighting.MAX_LOG, -reweighting.MAX_LOG, 1])
    step = omnifold_diagnostics.step(history, logits, np.arange(4.0), np.array([1.0, 1, 1, -1]))
    assert (step.clipped, step.epochs, step.loss) == (0.5, 3, np.float32(0.6))
    assert (step.effective, step.largest, step.quantiles[2]) == (1, 3, 1.5)


@pytest.mark.parametrize("few, level", [(1e-3, "INFO"), (-1.0, "WARNING")], ids=["few", "many"])
def test_an_iteration_is_logged_and_clipped_logits_are_a_warning(monkeypatch, caplog, few, level):
    monkeypatch.setattr(omnifold_steps, "FEW", few)
    with caplog.at_level("INFO"):
        omnifold.fit(KEY, simulated(0, 1000), observed(1, 1000), dataclasses.replace(QUICK, iterations=1))
    (record,) = (record for record in caplog.records if record.name.endswith("omnifold.steps"))
    assert record.levelname == level and "0.00% clipped" in record.getMessage()


def test_a_simulation_that_is_right_keeps_its_weights():
    """Closure: unfolding the simulation itself. Fluctuations are shared, so that weights differ by training alone."""
    simulation = simulated(0)
    state = omnifold.fit(KEY, simulation, measured(simulation.reco[:, 0]), SMALL)
    assert np.std(state.constants.weight) < 0.1
    assert (omnifold.diagnostics(state).chi2 < 0.3).all()


ABSENT = -999.0


def with_absent(events, seed, share=0.3):
    """A random share of the events holds the fill value at every level."""
    absent = np.random.default_rng(seed).random(len(events)) < share
    if isinstance(events, Measured):
        return dataclasses.replace(events, reco=np.where(absent[:, None], np.float32(ABSENT), events.reco))
    gen, reco = (np.where(absent[:, None], np.float32(ABSENT), x) for x in (events.gen, events.reco))
    return dataclasses.replace(events, gen=gen, reco=reco)


def test_a_fill_value_does_not_hide_the_others():
    """30 percent of -999 in data, 20 percent in simulation: the rest is unfolded as without it, and the share too."""
    simulation, data = with_absent(simulated(0), 5, 0.2), with_absent(observed(1), 6)
    state = omnifold.fit(KEY, simulation, data, SMALL)
    unfolded = omnifold.unfold(KEY, state, data)
    there = np.asarray(unfolded.gen[:, 0]) != ABSENT
    *_, (mean, width) = exact_moments(SMALL.iterations)
    found = moments(unfolded.gen[there, 0], unfolded.weight[there])
    np.testing.assert_allclose(found, (mean, width), atol=TOLERANCE / np.sqrt(0.7))
    share = unfolded.weight[~there].sum() / unfolded.weight.sum()
    np.testing.assert_allclose(share, 0.3, atol=5 * np.sqrt(0.21 / N + 0.16 / N))
    np.testing.assert_allclose(omnifold.push(state, unfolded.gen), unfolded.weight, rtol=1e-4)
    # What the short training leaves is some percent of what the prior was off by, which the mean alone does not show.
    chi2 = omnifold.diagnostics(state).chi2
    assert chi2[-1] < 0.25 * chi2[0]


def test_a_fit_that_did_not_close_says_so(caplog):
    """After one short training with a tiny step the weights are still the prior's."""
    still = dataclasses.replace(QUICK, iterations=1, training=dataclasses.replace(SHORT, epochs=1, learning_rate=1e-7))
    state = omnifold.fit(KEY, simulated(0), observed(1), still)
    line = omnifold.unclosed(omnifold.diagnostics(state).closure, COLUMN)
    assert line is not None and " x (chi2/ndf " in line
    (record,) = (record for record in caplog.records if "did not close" in record.message)
    assert record.levelname == "WARNING" and line in record.message


def test_a_state_of_before_there_were_inputs_is_still_read(tmp_path):
    state = omnifold.fit(KEY, simulated(0, 1000), observed(1, 1000), QUICK)
    record = state.constants.diagnostics._replace(closure=None)
    constants = state.constants._replace(inputs=None, diagnostics=record)
    before = state._replace(spec=dataclasses.replace(state.spec, gen_masses=None), constants=constants)
    omnifold.save(tmp_path / "state", before)
    loaded = omnifold.load(tmp_path / "state")
    assert same_numbers(loaded[1:], before[1:])
    np.testing.assert_array_equal(omnifold.push(loaded, loaded.constants.gen), omnifold.push(before, before[1].gen))


@pytest.mark.parametrize("missing", ["mean", "push"])
def test_efficiency_acceptance_and_background(missing):
    """A tenth each of events that are not measured, of fakes and of background, all with shapes of their own."""
    data, background = observed(1, efficiency=0.9, inside=0.9), np.random.default_rng(2).normal(0, 1.2, N // 5)
    mixed = measured(np.append(data.reco[:, 0], np.random.default_rng(3).normal(0, 1.2, N // 10)))
    subtracted = measured(background, np.full(len(background), 0.5, np.float32))
    simulation, config = simulated(0, efficiency=0.9, inside=0.9), dataclasses.replace(SMALL, missing=missing)
    state = omnifold.fit(KEY, simulation, mixed, config, background=subtracted)
    unfolded = omnifold.unfold(KEY, state, mixed)
    assert len(unfolded) == simulation.pass_gen.sum()
    *_, (mean, width) = exact_moments(SMALL.iterations)
    # A share 0.1 of a weight stays behind without the mean: the prior's part is at most that much larger.
    slower = 0.05 if missing == "push" else 0.0
    np.testing.assert_allclose(moments(unfolded.gen[:, 0], unfolded.weight), (mean, width), atol=TOLERANCE + slower)
    # All of the truth are 8,000 events, a tenth outside; five errors of a Poisson number.
    np.testing.assert_allclose(unfolded.weight.sum(), 0.9 * N, atol=5 * np.sqrt(N))
    assert set(omnifold.diagnostics(state).steps) == {"reco", "gen", "fakes"}


def test_negative_generator_weights_that_depend_on_the_event():
    """Events of a wider law with the weights that make it the prior, a tenth of them negative whatever the event:
    as half of the events of the prior itself."""
    wider = simulated(0, law=(PRIOR[0], 1.0))
    gen = wider.gen[:, 0].astype(np.float64)
    sign = np.where(np.random.default_rng(4).random(N) < 0.1, -1, 1)
    weight = (sign * norm.pdf(gen, *PRIOR) / norm.pdf(gen, PRIOR[0], 1.0)).astype(np.float32)
    state = omnifold.fit(KEY, dataclasses.replace(wider, weight=weight), observed(1), SMALL)
    unfolded = omnifold.unfold(KEY, state, observed(1))
    assert (np.sign(unfolded.weight) == sign).all()
    np.testing.assert_allclose(unfolded.weight.sum(), N, rtol=1e-4)
    *_, (mean, width) = exact_moments(SMALL.iterations)
    np.testing.assert_allclose(moments(unfolded.gen[:, 0], unfolded.weight), (mean, width), atol=1.5 * TOLERANCE)


def test_weights_of_any_scale():
    """Of the generator's only ratios count, and yields are in the scale of the data's."""
    data, size = observed(1), 1e-48
    tiny = dataclasses.replace(data, weight=np.full(N, size))
    of_tiny = omnifold.fit(KEY, simulated(0, weight=np.full(N, 5e-39)), tiny, QUICK)
    of_ones = omnifold.fit(KEY, simulated(0), data, QUICK)
    a, b = omnifold.unfold(KEY, of_tiny, tiny), omnifold.unfold(KEY, of_ones, data)
    np.testing.assert_allclose(a.weight / size, b.weight, rtol=1e-3)
    np.testing.assert_allclose(np.sum(a.weight) / size, N, rtol=1e-5)


def test_bootstraps_spread_as_the_data_do():
    """The unfolded mean follows that of 1,000 data events, whose error is 1.12 / sqrt(1000) = 0.035.

    The spread of 8 replicas is known to 27 percent, and training adds some; the nominal one is no replica.
    """
    data = observed(1, 1000)
    config = dataclasses.replace(SMALL, bootstraps=8)
    unfolded = omnifold.unfold(KEY, omnifold.fit(KEY, simulated(0, 2000), data, config), data)
    assert unfolded.replicas.shape == (8, 2000)
    means = [np.average(unfolded.gen[:, 0], weights=weight) for weight in unfolded.replicas]
    assert 0.4 < np.std(means, ddof=1) / np.sqrt(1.25 / 1000) < 2
    yields = np.sum(unfolded.replicas, axis=1)
    assert 0.4 < np.std(yields, ddof=1) / np.sqrt(1000) < 2
    alone = omnifold.fit(KEY, simulated(0, 2000), data, dataclasses.replace(config, bootstraps=0))
    np.testing.assert_array_equal(unfolded.weight, alone.constants.weight[-1])


def test_bootstraps_of_the_simulation_draw_its_events():
    config = dataclasses.replace(QUICK, bootstraps=1, bootstrap_simulation=True)
    replica = omnifold.fit(KEY, simulated(0), observed(1), config).constants.replicas[0]
    # exp(-1) of the events are not drawn; five binomial errors.
    np.testing.assert_allclose(np.mean(replica == 0), np.exp(-1), atol=5 * 0.48 / np.sqrt(N))


def test_further_iterations_compile_no_training(caplog):
    config = dataclasses.replace(QUICK, hidden=(7,))  # a classifier that no other test has

    def compiled(iterations):
        caplog.clear()
        with jax.log_compiles(), caplog.at_level("WARNING", "jax"):
            omnifold.fit(KEY, simulated(0), observed(1), dataclasses.replace(config, iterations=iterations))
        return [record.message for record in caplog.records if "Compiling jit(run)" in record.message]

    assert compiled(1)
    assert not compiled(3)


class Killed(BaseException):
    """Passes through every handler of exceptions, as the end of a process does."""


def test_a_killed_fit_resumes_to_identical_weights(tmp_path, monkeypatch):
    """Killed after three of six trainings: two iterations of one unfolding, and its replica's first step."""
    config = dataclasses.replace(QUICK, iterations=1, bootstraps=2)
    left, save = [3], checkpoint.Store.save

    def last(store, *args):
        save(store, *args)
        left[0] -= 1
        if not left[0]:
            raise Killed

    args = (KEY, simulated(0, 1000), observed(1, 1000), config)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint.Store, "save", last)
        omnifold.fit(*args, folder=tmp_path / "killed")
    resumed = omnifold.fit(*args, folder=tmp_path / "killed", resume=True)
    unbroken = omnifold.fit(*args, folder=tmp_path / "unbroken")
    assert same_numbers(resumed, unbroken) and same_numbers(resumed, omnifold.fit(*args))
    killed, whole = ((tmp_path / name / "history.csv").read_text() for name in ("killed", "unbroken"))
    assert killed == whole
    with pytest.raises(InputError, match="iteration_1_reco: holds the checkpoint of a fit; expected resume"):
        omnifold.fit(*args, folder=tmp_path / "killed")


def test_the_history_holds_all_iterations_and_their_weights(tmp_path):
    state = omnifold.fit(KEY, simulated(0, 1000), observed(1, 1000), QUICK, folder=tmp_path)
    history, record = read_histories(tmp_path / "history.csv"), omnifold.diagnostics(state)
    assert list(history) == ["reco", "gen"]
    for step, rows in history.items():
        assert rows["epoch"] == [1, 2, 3, 4] and rows["iteration"] == [1, 1, 2, 2]
        np.testing.assert_allclose(rows["effective"][1::2], record.steps[step].effective)
        np.testing.assert_allclose(rows["loss"][1::2], record.steps[step].loss, rtol=1e-6)


def test_a_saved_state_is_the_same(tmp_path):
    config = dataclasses.replace(QUICK, members=2, bootstraps=1)
    simulation = simulated(0, 1000, efficiency=0.9, inside=0.9)
    state = omnifold.fit(KEY, simulation, observed(1, 1000), config)
    omnifold.save(tmp_path / "state", state)
    loaded = omnifold.load(tmp_path / "state")
    assert loaded.spec == state.spec and same_numbers(loaded[1:], state[1:])
    omnifold.unfold(KEY, loaded, observed(1, 1000))
    with pytest.raises(InputError, match="no checkpoint here"):
        omnifold.load(tmp_path / "nothing")


def two_columns(table, names):
    return jnp.concatenate([table, table**2], -1), tuple(Column(name) for name in names)


def test_data_in_another_order_of_columns():
    simulation, data = simulated(0, 1000), observed(1, 1000)
    (gen, columns), (reco, _), (seen, _) = (two_columns(t, "ab") for t in (simulation.gen, simulation.reco, data.reco))
    simulation = dataclasses.replace(simulation, gen=gen, reco=reco, gen_columns=columns, reco_columns=columns)
    a = Measured(seen, data.weight, columns)
    b = Measured(jnp.concatenate([seen[:, ::-1], seen], -1), data.weight, (*columns[::-1], Column("c"), Column("d")))
    assert same_numbers(*(omnifold.fit(KEY, simulation, x, QUICK)[1:] for x in (a, b)))
    state = omnifold.fit(KEY, simulation, a, QUICK)
    assert same_numbers(omnifold.unfold(KEY, state, a), omnifold.unfold(KEY, state, b))
    with pytest.raises(InputError, match="data: no column a"):
        omnifold.unfold(KEY, state, Measured(seen[:, 1:], data.weight, columns[1:]))
    with pytest.raises(InputError, match=r"events of shape \(3, 1\), the unfolding expects \(..., 2\)"):
        omnifold.push(state, np.ones((3, 1)))


def test_other_data_than_those_of_the_fit_are_refused(state):
    for other in (observed(2), observed(1)[:-1], dataclasses.replace(observed(1), weight=np.full(N, 2.0))):
        with pytest.raises(InputError, match="data: other events than those of the fit"):
            omnifold.unfold(KEY, state, other)


SIMULATION, DATA = simulated(0, 400), observed(1, 400)
NOT_MEASURED = np.zeros(400, bool)


@pytest.mark.parametrize(
    "simulation, data, config, background, message",
    [
        (SIMULATION, DATA, dataclasses.replace(SMALL, iterations=0), None, "iterations is 0, expected at least 1"),
        (SIMULATION, DATA, dataclasses.replace(SMALL, hidden=()), None, r"hidden is \(\), expected one or several"),
        (dataclasses.replace(SIMULATION, gen=SIMULATION.gen[:9]), DATA, SMALL, None, "simulation: rows are not paired"),
        (dataclasses.replace(SIMULATION, pass_reco=NOT_MEASURED), DATA, SMALL, None, "all 400 events fail"),
        (
            dataclasses.replace(SIMULATION, weight=np.full(400, np.nan)),
            DATA,
            SMALL,
            None,
            "weight: nan in row 0, expected finite weights",
        ),
        (SIMULATION[:99], DATA, SMALL, None, "simulation: 99 events to learn from, a fit needs at least 100"),
        (SIMULATION, DATA[:99], SMALL, None, "data: 99 events to learn from"),
        (SIMULATION, dataclasses.replace(DATA, columns=(Column("y"),)), SMALL, None, "data: no column x"),
        (SIMULATION, DATA, SMALL, dataclasses.replace(DATA, columns=(Column("y"),)), "background: no column x"),
        (SIMULATION, DATA, SMALL, DATA, "background: 400 events, expected fewer than the 400 of the data"),
    ],
    ids=["iterations", "hidden", "unpaired", "failing", "nan", "few", "few_data", "column", "other", "much"],
)
def test_bad_input_is_one_line(simulation, data, config, background, message):
    with pytest.raises(InputError, match=message) as caught:
        omnifold.fit(KEY, simulation, data, config, background=background)
    assert "\n" not in str(caught.value)
