import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hepjax import flows
from hepjax.training import Config, Stream, TrainingError, fit, write_history
from hepjax.training.plan import ema_decays, learning_rates
from hepjax.types import Events, InputError

KEY = jax.random.key(0)
QUICK = Config(epochs=4, batch_size=40, learning_rate=0.05)


def _equal(a, b):
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


def _compilations(function):
    """The compilations while `function` runs."""
    seen = []

    def listen(event, _duration, **_):
        seen.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        function()
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    return sum("backend_compile" in event for event in seen)


def test_the_fit_is_the_weighted_least_squares_solution(model, data):
    config = Config(epochs=60, batch_size=60, learning_rate=0.05, weight_decay=0.0, validation=0.0, ema=0.9)
    fitted = fit(KEY, model, data, config)
    design = np.append(data["x"], np.ones((240, 1)), axis=1) * np.sqrt(data["weight"])[:, None]
    expected = np.linalg.lstsq(design, data["y"] * np.sqrt(data["weight"]))[0]
    assert np.allclose(np.append(fitted.params["w"], fitted.params["b"]), expected, atol=2e-3)


def test_a_step_is_adamw_with_clipping_and_the_average_follows(model, data):
    """One batch holds all events, so that a plain loop of optax gives the same numbers up to the order of a sum.

    The norm of the gradient falls from 6 to 0.3, through the clipping: of gradients that are all clipped Adam sees
    nothing. Without it the parameters are 0.3 off; it amplifies rounding to some 2e-5.
    """
    data = {**data, "weight": data["weight"] / data["weight"].mean()}
    config = Config(
        epochs=30, batch_size=240, learning_rate=0.2, clip_norm=0.5, weight_decay=0.01, validation=0.0, ema=0.8
    )
    params = average = {"w": jnp.ones(3), "b": jnp.ones(())}
    fitted = fit(KEY, model, data, config, params=params)

    rates, decays = learning_rates(config, 30), ema_decays(0.8, 30)
    adamw = optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(lambda n: jnp.asarray(rates)[n], weight_decay=0.01))
    state = adamw.init(params)

    @jax.jit
    def step(params, state, average, decay):
        gradient, _ = jax.grad(model.loss, argnums=1, has_aux=True)(KEY, params, data)
        updates, state = adamw.update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        return params, state, optax.incremental_update(params, average, 1 - decay)

    for decay in decays:
        params, state, average = step(params, state, average, decay)
    for ours, theirs in ((fitted.last, params), (fitted.params, average)):
        assert jax.tree.all(jax.tree.map(lambda a, b: np.allclose(a, b, rtol=1e-4, atol=5e-5), ours, theirs))


@pytest.mark.parametrize("accumulate", [2, 5])
def test_pieces_of_a_batch_give_the_step_of_the_whole(model, data, accumulate):
    """With broad weights, a third of them negative: pieces whose own weights cancel, or nearly, do no harm."""
    rng = np.random.default_rng(2)
    weight = np.exp(1.5 * rng.normal(size=240)) * np.where(rng.random(240) < 0.3, -1, 1)
    data = {**data, "weight": weight.astype(np.float32)}
    whole, pieces = (fit(KEY, model, data, dataclasses.replace(QUICK, accumulate=n)) for n in (1, accumulate))
    for a, b in zip(jax.tree.leaves(whole.last), jax.tree.leaves(pieces.last), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)  # Adam amplifies the rounding of another order of sums
    np.testing.assert_allclose(whole.history["loss"], pieces.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(whole.history["grad_norm"], pieces.history["grad_norm"], rtol=1e-4)


def test_weights_count_relative_to_their_mean(noisy, data):
    """Also where float32 has no normal numbers for them, as for cross sections in square metres."""
    one = fit(KEY, noisy, data, QUICK)
    for scale in (1e-39, 1e-300, 1e30):
        scaled = fit(KEY, noisy, {**data, "weight": data["weight"] * np.float64(scale)}, QUICK)
        np.testing.assert_allclose(scaled.history["val_loss"], one.history["val_loss"], rtol=1e-5)
    for weight in (np.zeros(240), np.linspace(-2, 1, 240), np.full(240, np.nan)):
        with pytest.raises(InputError, match=r"^fit: training data: weights of mean .*, expected one above zero$"):
            fit(KEY, noisy, {**data, "weight": weight}, QUICK)


def test_a_second_fit_compiles_and_traces_nothing(model, data):
    traces = []

    def loss(key, params, batch):
        traces.append(1)
        return model.loss(key, params, batch)

    counted = SimpleNamespace(init=model.init, loss=loss)
    fit(KEY, counted, data, QUICK)
    before = len(traces)
    other = Config(epochs=3, batch_size=40, learning_rate=0.01, schedule="constant", ema=0.5, patience=2)
    key = jax.random.key(3)  # it compiles, too, when the tests before have dropped their programs
    assert _compilations(lambda: fit(key, counted, data, other)) == 0
    assert len(traces) == before


def test_the_call_length_does_not_change_the_numbers(noisy, data):
    one = fit(KEY, noisy, data, Config(epochs=5, batch_size=40, validation=0.0))
    three = fit(KEY, noisy, data, Config(epochs=5, batch_size=40, validation=0.0, epochs_per_call=3))
    assert np.allclose(one.last["w"], three.last["w"], rtol=1e-6)
    assert np.allclose(one.history["loss"], three.history["loss"], rtol=1e-5)


def test_the_key_decides_everything(noisy, data):
    a, b, c = (fit(jax.random.key(seed), noisy, data, QUICK) for seed in (1, 1, 2))
    assert _equal(a, b)
    assert not _equal(a.params, c.params)


def test_every_step_has_a_key_and_every_epoch_an_order_of_its_own(data):
    """A uniform number that the loss draws, mean of 40 steps an epoch, and the sum of the one batch of an epoch."""

    def loss(key, params, batch):
        return params["b"] ** 2, {"draw": jax.random.uniform(key), "rows": jnp.sum(batch["y"])}

    drawing = SimpleNamespace(init=lambda key, batch=None: {"b": jnp.ones(())}, loss=loss)
    draws = fit(KEY, drawing, data, Config(epochs=6, batch_size=6, validation=0.0)).history["draw"]
    # Four standard errors each, and together: of one key for all steps of an epoch, six uniform numbers.
    assert (np.abs(draws - 0.5) < 4 / np.sqrt(12 * 40)).all() and np.std(draws) > 0
    rows = fit(KEY, drawing, data, Config(epochs=6, batch_size=130, validation=0.0)).history["rows"]
    assert len(np.unique(rows)) == 6


def test_initial_parameters_are_used_and_left_alone(model, data):
    params = {"w": jnp.array([1.0, -2.0, 0.5]), "b": jnp.array(0.3)}
    fitted = fit(KEY, model, data, Config(epochs=1, batch_size=240, learning_rate=1e-9), params=params)
    assert np.allclose(fitted.params["w"], params["w"], atol=1e-6)


def test_activation_normalisation_starts_from_events():
    """Columns of mean 5 and width 10: standardised from the first step, as their density is that of normal events."""
    x = 5 + 10 * np.random.default_rng(0).normal(size=(2000, 2)).astype(np.float32)
    flow = flows.transformed(flows.chain(flows.actnorm(2)), flows.normal(2))
    fitted = fit(KEY, flow, Events(x), Config(epochs=1, batch_size=500, learning_rate=1e-9))
    entropy = 2 * np.log(10 * np.sqrt(2 * np.pi * np.e))
    assert abs(fitted.history["val_loss"][0] - entropy) < 5 * np.sqrt(2 / 2 / 200)  # nats a column: var 1/2


def test_no_average_returns_the_last_parameters(model, data):
    fitted = fit(KEY, model, data, Config(epochs=2, batch_size=40, ema=0.0, validation=0.0))
    assert _equal(fitted.params, fitted.last) and fitted.best_epoch == 2


def test_the_history_has_a_row_an_epoch(model, data, tmp_path):
    fitted = fit(KEY, model, data, QUICK, score=lambda key, params: jnp.abs(params["b"] - 0.3))
    assert list(fitted.history)[:6] == ["epoch", "loss", "val_loss", "score", "learning_rate", "grad_norm"]
    assert {"bias", "val_bias"} < set(fitted.history)
    assert all(column.shape == (4,) and np.isfinite(column).all() for column in fitted.history.values())
    write_history(tmp_path / "history.csv", fitted.history)
    rows = np.genfromtxt(tmp_path / "history.csv", delimiter=",", names=True)
    assert np.array_equal(rows["loss"], fitted.history["loss"])
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


def test_the_validation_loss_is_that_of_the_returned_parameters(model, data):
    """Three chunks of twenty events each add up to it, whatever weights they have."""
    weight = np.random.default_rng(2).normal(1, 2, 60).astype(np.float32)
    held = {**{name: column[:60] for name, column in data.items()}, "weight": weight / weight.mean()}
    config = Config(epochs=3, batch_size=20, learning_rate=0.05)
    fitted = fit(KEY, model, data, config, validation=held)
    assert fitted.best_epoch == 1 + np.argmin(fitted.history["val_loss"])
    assert np.isclose(model.loss(KEY, fitted.params, held)[0], fitted.history["val_loss"].min(), rtol=1e-5)


def test_the_score_selects_and_patience_stops(model, data):
    scores = iter([3.0, 1.0, 2.0, 2.5, 0.0])
    seen = []

    def score(key, params):
        seen.append(jax.tree.map(np.array, params))
        return next(scores)

    config = Config(epochs=50, batch_size=40, patience=2)
    fitted = fit(KEY, model, data, config, score=score)
    assert len(fitted.history["score"]) == 4 and fitted.best_epoch == 2
    assert _equal(fitted.params, seen[1])


def test_the_score_is_evaluated_once_a_call(model, data):
    config = Config(epochs=5, batch_size=40, epochs_per_call=2)
    fitted = fit(KEY, model, data, config, score=lambda key, params: 1.0)
    assert np.array_equal(np.isnan(fitted.history["score"]), [True, False, True, False, False])


def test_a_loss_that_is_not_finite_stops_with_its_epoch(model, data):
    def loss(key, params, batch):
        value, metrics = model.loss(key, params, batch)
        return jnp.where(params["b"] > 0.05, jnp.nan, value), metrics

    broken = SimpleNamespace(init=model.init, loss=loss)
    config = Config(epochs=20, batch_size=240, learning_rate=0.02, schedule="constant", warmup=0.0, validation=0.0)
    with pytest.raises(TrainingError, match=r"^energy: loss is not finite in epoch \d+") as error:
        fit(KEY, broken, data, config, name="energy")
    assert "\n" not in str(error.value) and isinstance(error.value, FloatingPointError)


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_bad_data_are_to_blame_for_a_bad_loss(model, data, value, stored):
    """By their row in what was given, whatever is held out of it."""
    data["x"][101, 2] = value
    with pytest.raises(TrainingError, match=rf"not finite in epoch \d; data\['x'\] is {value} in row 101, expected"):
        fit(KEY, model, Stream(Rows(data)) if stored else data, QUICK)


@dataclasses.dataclass
class Rows:
    """A table read in slices."""

    table: dict

    def __len__(self):
        return len(self.table["y"])

    def __getitem__(self, rows):
        return {name: column[rows] for name, column in self.table.items()}


def test_bad_parameters_are_to_blame(model, data):
    with pytest.raises(TrainingError, match=r"params\['b'\] is nan, expected"):
        fit(KEY, model, data, QUICK, params={"w": jnp.ones(3), "b": jnp.array(np.nan)})


def test_a_score_that_is_not_a_number_stops(model, data):
    with pytest.raises(TrainingError, match="score is not a number after epoch 1"):
        fit(KEY, model, data, QUICK, score=lambda key, params: np.nan)


def test_nothing_is_printed_off_a_terminal(model, data, capfd):
    fit(KEY, model, data, QUICK)
    assert capfd.readouterr() == ("", "")


def test_an_empty_sample_is_refused(model):
    with pytest.raises(InputError, match="at least one event"):
        fit(KEY, model, {"x": np.zeros((0, 3))}, QUICK)
