"""The calibration on showers whose likelihood is known: closure, derivatives, flags, files."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf
from toys import TINY, same_numbers, toy_showers

from hepjax.data import geometry
from hepjax.pipelines.calibration import model
from hepjax.pipelines.calibration import regressor as calibration_regressor
from hepjax.pipelines.calibration import verbs as calibration
from hepjax.pipelines.squirels import verbs as squirels
from hepjax.training import Config as Training
from hepjax.training import Fitted, checkpoint
from hepjax.types import InputError, Showers, State

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
SHORT = Training(epochs=100, batch_size=100, learning_rate=1e-2, ema=0.9, epochs_per_call=100, checkpoint_every=100)
TINY_CALIBRATION = calibration.Config(members=2, hidden=(8,), training=SHORT, batch=60)
RESPONSE, STOCHASTIC = 0.2, 0.07
N = 240


def layered_showers(seed, n, low=1e3, high=5e4):
    """Sums of 0.2 E with a resolution of 7 percent / sqrt(E / GeV); the last of the three layers is empty at times."""
    rng, calorimeter = np.random.default_rng(seed), geometry.named("lar_3layers")
    energy = rng.uniform(low, high, n)
    total = RESPONSE * energy * (1 + STOCHASTIC * rng.normal(size=n) / np.sqrt(energy / 1e3))
    shares = np.stack([rng.gamma(8, 0.02, n), np.ones(n), 0.005 * np.maximum(rng.normal(1, 1, n), 0)], 1)
    voxels = np.zeros((n, calorimeter.voxels), np.float32)
    voxels[:, [100, 350, 351, 460]] = (total / shares.sum(1))[:, None] * np.insert(shares / [1, 2, 1], 1, 0.5, axis=1)
    return Showers(energy.astype(np.float32), voxels, calorimeter)


@pytest.fixture(scope="module")
def state():
    return calibration.fit(KEY, layered_showers(0, 1250), TINY_CALIBRATION)


@pytest.fixture(scope="module")
def unseen():
    return layered_showers(1, N, 3e3, 45e3)


@pytest.fixture(scope="module")
def found(state, unseen):
    return jax.tree.map(np.asarray, calibration.calibrate(state, unseen.voxels))


def test_energies_and_intervals_close(found, unseen):
    """Pulls of Gaussian showers: their mean within 4 errors of 0, and coverage within 4 binomial errors of what
    intervals of that width have; the response of 1250 showers is known to a twentieth of the resolution.

    Tiny flows find a resolution 10 to 16 percent too wide, whatever the key."""
    assert found.converged.mean() > 0.95 and found.in_range.all()
    truth = unseen.incident_energy
    width = STOCHASTIC * np.sqrt(truth * 1e3)
    assert abs(np.mean((found.energy_mev - truth) / width)) < 4 / np.sqrt(N) + 0.05
    both = 0.5 * (found.sigma_low_mev + found.sigma_high_mev)
    wide = np.median(both / width)
    np.testing.assert_allclose(wide, 1, atol=0.25)
    covered = (found.energy_mev - found.sigma_low_mev < truth) & (truth < found.energy_mev + found.sigma_high_mev)
    expected = erf(wide / np.sqrt(2))
    assert abs(covered.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / N)


def test_the_interval_is_where_the_likelihood_has_dropped(state, found, unseen):
    ends = [found.energy_mev - found.sigma_low_mev, found.energy_mev, found.energy_mev + found.sigma_high_mev]
    values = calibration.log_likelihood(state, unseen.voxels, np.stack(ends, 1))
    np.testing.assert_allclose(values[:, 1], -found.nll, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(2 * (values[:, 1:2] - values[:, [0, 2]]), 1, atol=0.02)


def test_any_leading_shape(state, found, unseen):
    shaped = calibration.calibrate(state, unseen.voxels.reshape(4, N // 4, -1))
    assert shaped.energy_mev.shape == (4, N // 4)
    np.testing.assert_array_equal(shaped.energy_mev.ravel(), found.energy_mev)


def test_a_second_calibration_compiles_nothing(state, found, unseen):
    compiled = model.calibrator(state.spec)._cache_size()
    copied = State(dataclasses.replace(state.spec), *jax.tree.map(lambda a: 1.0001 * a, state[1:]))
    calibration.calibrate(copied, unseen.voxels)
    assert model.calibrator(copied.spec)._cache_size() == compiled


def test_derivatives_are_those_of_finite_differences(state, unseen):
    """In float64, of two showers: by cells of all layers, and by the weights of the flows."""
    with jax.enable_x64():
        double = State(state.spec, *jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)), state[1:]))
        rows = np.flatnonzero(unseen.voxels[:, 460])[:2]
        voxels = jnp.asarray(np.asarray(unseen.voxels[rows], np.float64))
        direction = jnp.zeros(voxels.shape[1]).at[jnp.array([100, 350, 460])].set(jnp.array([1.0, 2.0, 0.3]))
        params, unravel = jax.flatten_util.ravel_pytree(double.params)
        way = jax.random.normal(KEY, params.shape, params.dtype)

        def energies(step, tilt):
            moved = double._replace(params=unravel(params + tilt * way))
            return calibration.calibrate(moved, voxels + step * direction).energy_mev

        # One energy more than the other, so that errors cannot cancel.
        total = lambda step, tilt: energies(step, tilt) @ jnp.array([1.0, 2.0])  # noqa: E731
        gradient = jax.grad(total, (0, 1))(jnp.zeros(()), jnp.zeros(()))
        for k, size in enumerate((1e-2, 1e-5)):
            ends = (total(*(sign * size * np.eye(2)[k])) for sign in (1, -1))
            np.testing.assert_allclose(gradient[k], (next(ends) - next(ends)) / (2 * size), rtol=1e-3)


def test_energies_beyond_those_of_training_are_flagged(state):
    """1.6 times the largest energies lies in the search, ten times does not; an empty shower has no maximum."""
    scale = np.repeat([1.0, 1.6, 10.0, 0.0], N // 4).astype(np.float32)
    found = calibration.calibrate(state, layered_showers(2, N, 40e3, 45e3).voxels * scale[:, None])
    inside, above, beyond, empty = (
        jax.tree.map(lambda a, k=k: np.asarray(a).reshape(4, -1)[k], found) for k in range(4)
    )
    assert inside.in_range.all() and inside.converged.mean() > 0.9
    assert not above.in_range.any() and not beyond.in_range.any() and not empty.in_range.any()
    assert not beyond.converged.any() and not empty.converged.any()
    assert np.isfinite(found.energy_mev).all()


def test_the_likelihood_is_a_density_of_features():
    """Two features of a grid of crystals, integrated by a sum over a grid: to 1e-3."""
    showers = toy_showers(0, 200)
    spec = model.Spec(TINY_CALIBRATION, showers.geometry, 0)
    constants = model.fit_constants(spec, showers, None)
    keys = jax.random.split(KEY, 2)
    params = jax.tree.map(lambda a: a + 0.3, jax.vmap(model.build(spec).init)(keys))
    energy = jnp.log(jnp.array([3e4]))
    # Steps of a tenth of the features' widths at that energy, to 40 of them.
    standard = jnp.stack(jnp.meshgrid(*2 * [jnp.linspace(-40, 40, 801)], indexing="ij"), -1)
    grid, _ = model.trend(spec).inverse(constants.trend, standard, energy)
    area = (grid[1, 0, 0] - grid[0, 0, 0]) * (grid[0, 1, 1] - grid[0, 0, 1])
    density = jnp.exp(jax.jit(lambda x: model.log_likelihood(spec, constants, params, x, energy))(grid))
    np.testing.assert_allclose(density.sum() * area, 1, atol=1e-3)


@pytest.mark.parametrize("names", [("layers",), ("shapes",), ("layers", "shapes")], ids=" ".join)
@pytest.mark.parametrize("sample", [layered_showers, toy_showers])
def test_features_are_finite_and_so_are_their_derivatives(names, sample):
    showers = sample(0, 100)
    spec = model.Spec(dataclasses.replace(TINY_CALIBRATION, features=names), showers.geometry, 0)
    constants = model.fit_constants(spec, showers, None)
    with_empty = jnp.asarray(showers.voxels[:3]).at[0].set(0)
    observe = jax.jit(lambda v: model.observe(spec, constants, v))
    assert observe(with_empty).shape == (3, model.dimensions(spec))
    assert np.isfinite(observe(with_empty)).all()
    assert np.isfinite(jax.grad(lambda v: observe(v).sum())(with_empty)).all()


def test_weights_count_events(state):
    """Weights of 1/E move the trend to low energies; their scale means nothing."""
    showers = layered_showers(0, 1250)
    constants = [model.fit_constants(state.spec, showers, w / showers.incident_energy) for w in (1.0, 7.0)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), *constants)
    assert constants[0].energy.mean < state.constants.energy.mean - 0.5


def test_saved_and_loaded_states_give_the_same_numbers(state, unseen, tmp_path):
    calibration.save(tmp_path / "model", state)
    loaded = calibration.load(tmp_path / "model")
    assert loaded.spec == state.spec and same_numbers(loaded[1:], state[1:])
    squirels.save(tmp_path / "other", squirels._untrained(_squirels_spec()))
    with pytest.raises(InputError, match=r"other: holds another model \(squirels\), expected one of a calibration"):
        calibration.load(tmp_path / "other")


def _squirels_spec():
    from hepjax.pipelines.squirels import model as squirels_model

    return squirels_model.Spec(TINY, toy_showers(0, 1).geometry, (5, 6, 9, 10), 2)


def test_members_hold_out_events_of_their_own(monkeypatch):
    """None is trained on, and those of two members differ."""
    parts = []

    def fit(key, flow, events, recipe, *, validation, **place):
        parts.append([set(map(bytes, np.asarray(part.x))) for part in (events, validation)])
        return Fitted({}, {}, {}, 0)

    monkeypatch.setattr(calibration.training, "fit", fit)
    calibration.fit(KEY, layered_showers(0, 200), TINY_CALIBRATION)
    (train, held), (_, other) = parts
    assert len(train) + len(held) == 200 and not train & held and not held & other


class Killed(BaseException):
    """Passes through every handler of exceptions, as the end of a process does."""


def test_a_fit_killed_between_members_resumes_to_the_same_numbers(state, tmp_path, monkeypatch):
    sample, save = layered_showers(0, 1250), checkpoint.Store.save

    def last(store, *args):
        save(store, *args)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint.Store, "save", last)
        calibration.fit(KEY, sample, TINY_CALIBRATION, folder=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["member_1"]
    resumed = calibration.fit(KEY, sample, TINY_CALIBRATION, folder=tmp_path, resume=True)
    assert same_numbers(resumed[1:], state[1:])
    assert (tmp_path / "history.csv").read_text().count("member_2") == SHORT.epochs


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"members": 0}, "members is 0, expected at least 1"),
        ({"validation": 1.0}, "validation is 1.0, expected at least 0 and less than 1"),
        ({"reach": 1.0}, "reach above 1"),
        ({"features": ("layers", "layers")}, "features are layers, layers, expected"),
        ({"training": dataclasses.replace(SHORT, epochs=0)}, "epochs is 0"),
    ],
)
def test_options_out_of_range(changes, expected):
    with pytest.raises(InputError, match=expected):
        calibration.fit(KEY, layered_showers(0, 200), dataclasses.replace(TINY_CALIBRATION, **changes))


def test_samples_that_no_calibration_can_be_fitted_to():
    good = layered_showers(0, 200)
    same = dataclasses.replace(good, incident_energy=np.full_like(good.incident_energy, 1e4))
    bad = dataclasses.replace(good, voxels=np.where(np.arange(504) == 7, np.nan, good.voxels).astype(np.float32))
    for showers, expected in ((good[:50], "at least 100"), (same, "range of incident energies"), (bad, "nan MeV")):
        with pytest.raises(InputError, match=expected):
            calibration.fit(KEY, showers, TINY_CALIBRATION)
    for weight in (np.ones(3), np.full(200, -1.0), np.zeros(200), np.full(200, np.nan)):
        with pytest.raises(InputError, match="expected 200 finite ones"):
            calibration.fit(KEY, good, TINY_CALIBRATION, weight=weight)


def test_showers_that_cannot_be_calibrated(state, unseen):
    for change, expected in ((-1.0, "-1.0 MeV in row 0"), (np.nan, "nan MeV in row 0")):
        voxels = unseen.voxels[:2].copy()
        voxels[0, 5] = change
        with pytest.raises(InputError, match=expected):
            calibration.calibrate(state, voxels)
    with pytest.raises(InputError, match="the model expects"):
        calibration.calibrate(state, unseen.voxels[:, :100])


def test_the_regressor_learns_energies(unseen):
    """To a tenth, after a few epochs; it is a baseline, judged in the experiment."""
    weight = np.ones(1250)
    fitted = calibration_regressor.fit(KEY, layered_showers(0, 1250), hidden=(16,), config=SHORT, weight=weight)
    response = calibration_regressor.predict(fitted, unseen.voxels) / unseen.incident_energy
    assert abs(np.median(response) - 1) < 0.1
