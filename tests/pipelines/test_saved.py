"""Runs that an older version saved still load, and give the events that they gave.

Each archive of `tests/saved` holds a run folder of a tiny fit of 2026-11-29, before pipelines had folders of their own
and classes had tags; expected.npz the first events that were made with it.
"""

import tarfile
from pathlib import Path

import jax
import numpy as np
import pytest
from toys import measured, toy_showers, toy_unfolding

from hepjax.pipelines import anomaly, calibration, caloflow, profile_omnifold, squirels, unfolding
from hepjax.types import Column, Measured

pytestmark = pytest.mark.usefixtures("fast_compilation")

SAVED = Path(__file__).parents[1] / "saved"
EXPECTED = np.load(SAVED / "expected.npz")
KEY = jax.random.key(0)
FIRST = slice(0, 8)


def unfold(state):
    return unfolding.unfold(KEY, state, measured(toy_unfolding(1, 400)))


def gaussian():
    """The data of the example of arXiv:2409.10421, at mu = 0.3 and theta = 1.2."""
    rng = np.random.default_rng(1)
    reco = rng.normal(0.3, 1, (400, 1)) + rng.normal(size=(400, 2)) * [1, 1.2]
    return Measured(reco.astype(np.float32), np.ones(400, np.float32), (Column("y1"), Column("y2")))


def generated(state):
    return {"showers": caloflow.sample(KEY, state, toy_showers(6, 60).incident_energy[FIRST]).voxels}


RUNS = {
    "squirels": (squirels, lambda state: {"showers": squirels.refine(KEY, state, toy_showers(1, 200)[FIRST]).voxels}),
    "caloflow": (caloflow, generated),
    "caloinn": (caloflow, generated),
    "calibrate": (calibration, lambda state: calibration.calibrate(state, toy_showers(6, 60).voxels)._asdict()),
    "anomaly": (anomaly, lambda state: anomaly.score(KEY, state, toy_showers(7, 60, width=1.5).voxels)._asdict()),
    "sbunfold": (unfolding, lambda state: vars(unfold(state))),
    "omnifold": (unfolding, lambda state: vars(unfold(state))),
    "profile_omnifold": (
        profile_omnifold,
        lambda state: vars(profile_omnifold.unfold(KEY, state, gaussian())),
    ),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_run_of_before_gives_the_same_events(name, tmp_path):
    pipeline, apply = RUNS[name]
    with tarfile.open(SAVED / f"{name}.tar.gz") as archive:
        archive.extractall(tmp_path, filter="data")
    found = apply(pipeline.load(tmp_path / "checkpoint"))
    expected = {key.partition("/")[2]: EXPECTED[key] for key in EXPECTED if key.startswith(f"{name}/")}
    assert expected
    for field, values in expected.items():
        np.testing.assert_allclose(np.asarray(found[field])[FIRST], values, rtol=2e-3, atol=2e-4 * np.abs(values).max())
