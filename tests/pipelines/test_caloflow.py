"""CaloFlow from a sample to showers, in a tiny size and all variants."""

import dataclasses

import jax
import numpy as np
import pytest
from toys import physical, same_numbers, toy_showers

from hepjax import data
from hepjax.pipelines import caloflow
from hepjax.pipelines.showers.stored import Stored
from hepjax.training import Config as Training
from hepjax.types import InputError, Showers

pytestmark = pytest.mark.usefixtures("fast_compilation")

SHORT = Training(epochs=2, batch_size=64)
TINY = caloflow.Config(
    layers_depth=1,
    layers_hidden=(8,),
    depth=1,
    hidden=(16,),
    bins=4,
    copies=1,
    layers_training=SHORT,
    training=SHORT,
    student_training=SHORT,
    batch=96,
)
VARIANTS = ("autoregressive", "student", "coupling")


@pytest.fixture(scope="module")
def fitted():
    """Variant -> state, fitted to 300 showers on 4 x 4 cells."""
    sample = toy_showers(0, 300)
    configs = {variant: dataclasses.replace(TINY, variant=variant) for variant in VARIANTS}
    return {variant: caloflow.fit(jax.random.key(0), sample, config) for variant, config in configs.items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_samples_are_showers(fitted, variant):
    energy = toy_showers(1, 250).incident_energy
    generated = caloflow.sample(jax.random.key(1), fitted[variant], energy)
    assert physical(generated) and generated.voxels.shape == (250, 16)
    # The toys' response is 0.97 +- 0.01; its quantiles are exact, and a flow two epochs old moves them little.
    response = np.asarray(generated.voxels.sum(-1) / energy)
    assert abs(np.median(response) - 0.97) < 0.01
    # Zeros: those of the training within 5 binomial errors of 250 x 16 cells, and what the flow still misses.
    assert abs(np.mean(np.asarray(generated.voxels) == 0) - np.mean(toy_showers(0, 300).voxels == 0)) < 0.05


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_shower_keeps_its_noise_in_any_batch(fitted, variant):
    """Of showers 0 to 199 in batches of 96, and the first 100 of them alone, to rounding; in the median, since rounding
    may turn a faint hit into a zero."""
    energy = toy_showers(1, 200).incident_energy
    whole, part = (caloflow.sample(jax.random.key(1), fitted[variant], e).voxels for e in (energy, energy[:100]))
    assert np.median(np.abs(whole[:100] - part).max(-1) / energy[:100]) < 1e-5


@pytest.mark.parametrize("variant", VARIANTS)
def test_log_prob_knows_its_sample(fitted, variant):
    showers = toy_showers(2, 200)
    state = fitted[variant]
    own = caloflow.log_prob(jax.random.key(1), state, showers)
    assert own.shape == (200,) and np.isfinite(own).all()
    turned = Showers(showers.incident_energy, np.roll(showers.voxels, 5, axis=-1), showers.geometry)
    assert np.mean(own > caloflow.log_prob(jax.random.key(1), state, turned)) > 0.95


def test_more_draws_estimate_more_density(fitted):
    """The logarithm of a mean is above the mean of logarithms."""
    showers = toy_showers(2, 200)
    one, many = (caloflow.log_prob(jax.random.key(1), fitted["autoregressive"], showers, draws=n) for n in (1, 16))
    assert many.mean() > one.mean()


@pytest.mark.parametrize("variant", VARIANTS)
def test_save_and_load(fitted, variant, tmp_path):
    state = fitted[variant]
    caloflow.save(tmp_path / "state", state)
    loaded = caloflow.load(tmp_path / "state")
    assert loaded.spec == state.spec and same_numbers(jax.device_get(loaded), jax.device_get(state))


def test_a_killed_fit_resumes_to_the_same_parameters(fitted, tmp_path, fit_until_killed):
    """It dies after each flow's only checkpoint, and of the student's."""
    args = jax.random.key(0), toy_showers(0, 300), dataclasses.replace(TINY, variant="student")
    died = 0
    while not fit_until_killed(1, caloflow.fit, *args, folder=tmp_path / "run", resume=bool(died)):
        died += 1
    assert died == 3 and (tmp_path / "run" / "history.csv").is_file()
    again = caloflow.fit(*args, folder=tmp_path / "run", resume=True)
    assert same_numbers(again.params, fitted["student"].params)


def test_training_raises_the_likelihood_of_its_showers(fitted):
    """By 1.1 nats a shower in forty epochs at ten times the rate; in the two of the other tests by hundredths."""
    longer = dataclasses.replace(SHORT, epochs=40, learning_rate=1e-2, ema=0.9, epochs_per_call=40)
    sample, config = toy_showers(0, 300), dataclasses.replace(TINY, variant="coupling", training=longer)
    learned = caloflow.fit(jax.random.key(0), sample, config)
    after, before = (caloflow.log_prob(jax.random.key(1), state, sample) for state in (learned, fitted["coupling"]))
    assert np.mean(after) > np.mean(before) + 0.5


@pytest.mark.parametrize(
    "change, message",
    [
        ({"bins": 1}, "bins is 1"),
        ({"depth": 0}, "depth is 0"),
        ({"scale_noise": 0.0}, "scale_noise is 0.0"),
        ({"validation": 0.0}, "validation is 0.0"),
    ],
    ids=str,
)
def test_options_out_of_range_are_named(change, message):
    with pytest.raises(InputError, match=message):
        caloflow.fit(jax.random.key(0), toy_showers(0, 300), dataclasses.replace(TINY, **change))


def test_samples_that_cannot_be_learned_are_refused():
    for n, message in ((50, "at least 100"), (200, "one energy")):
        showers = toy_showers(0, n)
        same = Showers(np.full(n, 1e4, np.float32), showers.voxels, showers.geometry)
        with pytest.raises(InputError, match=message):
            caloflow.fit(jax.random.key(0), same, TINY)


@pytest.mark.parametrize(
    "energy, expected",
    [
        (np.nan, "incident_energies: nan MeV in row 1, expected finite energies above zero"),
        (0.0, "incident_energies: 0.0 MeV in row 1"),
        (-1.0, "incident_energies: -1.0 MeV in row 1"),
        (1e3, r"1 of 2 energies are outside of the training's, such as 1000 MeV in row 1, expected 8924 to"),
        (1e6, "1 of 2 energies are outside"),
    ],
)
def test_energies_beyond_the_training_are_refused(fitted, energy, expected):
    with pytest.raises(InputError, match=expected):
        caloflow.sample(jax.random.key(0), fitted["coupling"], np.array([2e4, energy]))


def test_energies_beyond_the_training_may_be_asked_for(fitted):
    asked = np.array([2e4, 5e5])
    generated = caloflow.sample(jax.random.key(0), fitted["coupling"], asked, extrapolate=True)
    assert physical(generated)


def test_showers_of_another_geometry_are_refused(fitted):
    with pytest.raises(InputError, match="crystals_4x4"):
        caloflow.log_prob(jax.random.key(0), fitted["coupling"], toy_showers(0, 10, name="crystals_5x5"))


def test_showers_are_learned_from_disk(fitted, tmp_path):
    """Memory for 3200 showers of 4 x 4 cells: a sample of 266 of them, windows of 512."""
    data.showers.write(tmp_path / "showers.hdf5", toy_showers(0, 1200))
    config = dataclasses.replace(TINY, variant="coupling", symmetry="none")
    with data.showers.opened(tmp_path / "showers.hdf5") as showers:
        state = caloflow.fit(jax.random.key(0), Stored(showers, 3200 * 4 * 17, showers.rows_a_chunk), config)
    others = toy_showers(2, 200)
    own, in_memory = (caloflow.log_prob(jax.random.key(1), s, others).mean() for s in (state, fitted["coupling"]))
    # Two epochs of four times the showers; nats a shower of 16 cells.
    assert own > in_memory - 1
    assert physical(caloflow.sample(jax.random.key(1), state, others.incident_energy))


def test_memory_for_no_sample_is_refused(tmp_path):
    data.showers.write(tmp_path / "showers.hdf5", toy_showers(0, 300))
    config, words = dataclasses.replace(TINY, symmetry="none"), "memory for a sample of 8 showers, .* at least 100"
    with data.showers.opened(tmp_path / "showers.hdf5") as showers, pytest.raises(InputError, match=words):
        caloflow.fit(jax.random.key(0), Stored(showers, 100 * 4 * 17), config)
