"""Anomalies by likelihood, from background to scores, in a tiny size."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import same_numbers, toy_showers

from hepjax import metrics
from hepjax.pipelines import anomaly, calibration, caloflow
from hepjax.pipelines.anomaly import model as anomaly_model
from hepjax.training import Config as Training
from hepjax.types import InputError

pytestmark = pytest.mark.usefixtures("fast_compilation")

SHORT = Training(epochs=2, batch_size=64)
TINY = anomaly.Config(
    showers=caloflow.Config(
        layers_depth=1,
        layers_hidden=(8,),
        depth=1,
        hidden=(16,),
        bins=4,
        copies=1,
        layers_training=SHORT,
        training=SHORT,
        batch=96,
    ),
    energy=calibration.Config(members=2, hidden=(8,), batch=96, training=dataclasses.replace(SHORT, epochs=20)),
    held_out=0.25,
    degree=1,
    draws=2,
)
KEY = jax.random.key(1)


@pytest.fixture(scope="module")
def state():
    """Fitted to 400 showers on 4 x 4 cells."""
    return anomaly.fit(jax.random.key(0), toy_showers(0, 400), TINY)


@pytest.fixture(scope="module")
def background():
    return toy_showers(1, 100)


@pytest.fixture(scope="module")
def wide():
    """Showers that are wider than the background's."""
    return toy_showers(2, 100, width=1.8)


@pytest.mark.parametrize("energy", ["estimated", "maximised", "known"])
def test_background_scores_are_standard_and_wide_showers_are_unlikely(state, background, wide, energy):
    def score(showers):
        how = showers.incident_energy if energy == "known" else energy
        return anomaly.score(KEY, state, showers.voxels, energy=how)

    usual, odd = score(background), score(wide)
    # Mean and width come from 100 showers, and are measured on 100: 0.14 and 0.1 are a standard deviation, for normals.
    assert abs(np.mean(usual.score)) < 0.5 and abs(np.std(usual.score) - 1) < 0.4
    assert metrics.auc(np.asarray(usual.score), np.asarray(odd.score)).value > 0.9
    assert np.mean(usual.in_range) > 0.9


def test_the_score_does_not_know_the_energy(state, background):
    """Rank correlation of 100 showers: 0.1 is a standard deviation, and 0.1 that of a slope from 100 showers."""
    scored = anomaly.score(KEY, state, background.voxels)
    ranks = [np.argsort(np.argsort(x)) for x in (scored.score, background.incident_energy)]
    assert abs(np.corrcoef(*ranks)[0, 1]) < 0.5


def test_two_sides(state, background):
    one, two = (anomaly.score(KEY, state, background.voxels, sides=sides).score for sides in ("one", "two"))
    np.testing.assert_array_equal(two, np.abs(one))


def test_the_maximum_is_more_likely_than_the_estimate(state, background):
    estimated, maximised = (
        anomaly.score(KEY, state, background.voxels, energy=energy) for energy in ("estimated", "maximised")
    )
    gain = np.asarray(maximised.log_prob - estimated.log_prob)
    assert np.all(gain > -1e-2) and np.mean(gain > 0) > 0.5


def test_quantities_add_up(state, background):
    coordinates, layers, cells = (
        anomaly.score(KEY, state, background.voxels, quantity=name).log_prob
        for name in ("coordinates", "layers", "cells")
    )
    np.testing.assert_allclose(coordinates, layers + cells, rtol=1e-4, atol=1e-3)


def test_energies_beyond_the_background_are_flagged(state, background):
    voxels = background.voxels * np.where(np.arange(100) < 50, 20, 0)[:, None].astype(np.float32)
    for energy in ("estimated", "maximised", background.incident_energy * np.float32(20)):
        scored = anomaly.score(KEY, state, voxels, energy=energy)
        assert not scored.in_range.any() and np.isfinite(scored.score).all()


@pytest.mark.parametrize("energy", ["estimated", "maximised"])
@pytest.mark.parametrize("scale", [100, 1e-3, 0], ids=["cells x 100", "in GeV", "empty"])
def test_flags_of_the_calibration_are_those_of_the_score(state, background, energy, scale):
    """Showers far outside, whose estimate may end anywhere within: as the calibration says, so does the score."""
    voxels = background.voxels * np.float32(scale)
    calibrated = calibration.calibrate(anomaly_model.part(state, "energy"), voxels)
    scored = anomaly.score(KEY, state, voxels, energy=energy)
    assert not calibrated.in_range.any() and not scored.in_range.any()
    assert not scored.converged.any()


def test_usual_showers_have_converged(state, background):
    scored = anomaly.score(KEY, state, background.voxels)
    calibrated = calibration.calibrate(anomaly_model.part(state, "energy"), background.voxels)
    np.testing.assert_array_equal(scored.converged, calibrated.converged)
    np.testing.assert_array_equal(scored.in_range, calibrated.in_range & scored.in_range)
    assert np.mean(scored.converged) > 0.9
    assert anomaly.score(KEY, state, background.voxels, energy=background.incident_energy).converged.all()


def test_what_is_not_finite_is_not_in_range(state, background):
    """A flow with a parameter that is not finite, and a calibration with one."""
    for name in ("showers", "energy"):
        params = state.params._replace(**{name: jax.tree.map(lambda x: x * jnp.nan, getattr(state.params, name))})
        scored = anomaly.score(KEY, state._replace(params=params), background.voxels)
        assert not scored.in_range.any()


def test_vertex_is_that_of_a_parabola():
    x = jnp.linspace(0, 4, 9)
    peaks = jnp.array([0.7, 2.0, 3.9, -1.0, 9.0])
    found = anomaly_model.vertex(jnp.tile(x, (5, 1)), -jnp.square(x - peaks[:, None]))
    np.testing.assert_allclose(found, np.clip(peaks, 0, 4), atol=1e-5)
    assert anomaly_model.vertex(x, jnp.square(x - 1)) == 4


def test_the_parts_of_a_coupling_flow_cannot_be_told_apart(state, background):
    config = dataclasses.replace(TINY, showers=dataclasses.replace(TINY.showers, variant="coupling"))
    coupled = state._replace(spec=dataclasses.replace(state.spec, config=config))
    with pytest.raises(InputError, match="no likelihood of cells, the model has those of density, coordinates"):
        anomaly.score(KEY, coupled, background.voxels, quantity="cells")


def test_save_and_load(state, background, tmp_path):
    anomaly.save(tmp_path / "state", state)
    loaded = anomaly.load(tmp_path / "state")
    assert loaded.spec == state.spec and same_numbers(loaded, state)
    a, b = (anomaly.score(KEY, s, background.voxels).score for s in (state, loaded))
    np.testing.assert_array_equal(a, b)
    calibration.save(tmp_path / "other", anomaly_model.part(state, "energy"))
    with pytest.raises(InputError, match=r"holds another model \(calibration\), expected one of an anomaly search"):
        anomaly.load(tmp_path / "other")


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda v: np.where(np.arange(16) == 3, np.nan, v), "nan MeV in row 0"),
        (lambda v: -1 - v, "MeV in row 0, expected finite energies zero or above"),
        (lambda v: v[:, :12], "12 voxels a shower, expected 16"),
        (lambda v: v[:0], "zero showers"),
    ],
    ids=["nan", "negative", "width", "none"],
)
def test_bad_showers(state, background, change, expected):
    with pytest.raises(InputError, match=expected):
        anomaly.score(KEY, state, change(background.voxels))


@pytest.mark.parametrize("change", [{"draws": 0}, {"degree": 0}, {"held_out": 0.0}, {"held_out": 0.01}], ids=str)
def test_bad_options(change):
    with pytest.raises(InputError, match=next(iter(change)).replace("_", ".")):
        anomaly.fit(KEY, toy_showers(0, 200), dataclasses.replace(TINY, **change))
