"""The incident energies that a model may be asked for."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fitted import KEY, SHOWERS, calibration_state, caloflow_state, squirels_state
from toys import TINY_DSB, TOY_COLUMNS, toy_showers

from hepjax import data
from hepjax.pipelines import calibration, caloflow
from hepjax.pipelines.showers import energies, samples
from hepjax.pipelines.squirels import model as squirels_model
from hepjax.pipelines.squirels import verbs as squirels
from hepjax.types import InputError, Showers

pytestmark = pytest.mark.usefixtures("fast_compilation")


def scaled(showers, factor):
    return Showers(showers.incident_energy * np.float32(factor), showers.voxels * np.float32(factor), showers.geometry)


@pytest.mark.parametrize("spectrum", ["linear", "logarithmic", "flat in 1 / E"])
def test_a_random_split_is_never_refused(spectrum):
    """200 splits of 1,000 energies of 1 to 50 GeV in halves: of the linear ones 53 have a test energy that is beyond a
    range widened by 5 percent."""
    rng, old = np.random.default_rng(0), 0
    for _ in range(200):
        u = rng.uniform(size=1000)
        energy = {
            "linear": 1e3 + 49e3 * u,
            "logarithmic": 1e3 * 50**u,
            "flat in 1 / E": 1 / (1e-3 + (1 / 50e3 - 1e-3) * u),
        }[spectrum]
        train, test = energy[:500], energy[500:]
        energies.require(test, energies.beyond(np.quantile(np.log(train), np.linspace(0, 1, 2))), False)
        old += test.min() < train.min() / 1.05 or test.max() > train.max() * 1.05
    assert (old > 0) == (spectrum != "logarithmic")


def test_a_few_a_little_further_out_are_counted(caplog):
    known, usual = (1e3, 50e3), np.full(200, 2e4)
    energies.require(np.append(usual, 75e3), known, False)
    expected = (
        "showers:incident_energies: 1 of 201 energies are outside of the training's, such as 75000 MeV in row 200"
    )
    assert [record.getMessage() for record in caplog.records] == [expected]
    for others in ([110e3], [75e3] * 3):
        with pytest.raises(InputError, match=f"{len(others)} of {200 + len(others)} energies"):
            energies.require(np.append(usual, others), known, False)
    energies.require(np.append(usual, 110e3), known, True)


@pytest.mark.parametrize("factor", [1e-3, 1e3, 0.1, 9])
def test_showers_far_from_the_training_are_refused(factor):
    showers = scaled(toy_showers(1, 64), factor)
    looks = ", which looks like GeV" if factor == 1e-3 else ""
    for apply in (
        lambda **more: squirels.refine(KEY, squirels_state(), showers, **more),
        lambda **more: caloflow.sample(KEY, caloflow_state(), showers.incident_energy, **more),
    ):
        found = rf"\d+ of 64 energies are outside of the training's, such as .* MeV in row \d+{looks}, expected"
        with pytest.raises(InputError, match=f"incident_energies: {found}"):
            apply()
    refined = squirels.refine(KEY, squirels_state(), showers, extrapolate=True)
    assert refined.voxels.shape == (64, 16)


def test_z_scores_know_about_where_they_were_fitted():
    spec = squirels_model.Spec(TINY_DSB, SHOWERS.geometry, (5, 6, 9, 10), 2)
    state = squirels._untrained(spec)
    state = state._replace(constants=squirels._preprocess(KEY, spec, SHOWERS, SHOWERS))
    low, high = squirels_model.known_energies(state)
    assert 1e2 < low < SHOWERS.incident_energy.min() and SHOWERS.incident_energy.max() < high < 1e6


@pytest.mark.parametrize("value, expected", [(np.nan, "nan MeV in row 3"), (-1, "-1.0 MeV in row 3")])
def test_what_is_not_physical_is_named_by_row(value, expected):
    """Where the command line finds it in a file."""
    showers = toy_showers(1, 8)
    for name in ("incident_energy", "voxels"):
        bad = np.array(getattr(showers, name))
        bad[3] = value
        with pytest.raises(InputError, match=expected):
            squirels.refine(KEY, squirels_state(), Showers(**{**vars(showers), name: bad}))


def test_energies_of_a_likelihood_and_events_to_weight_are_looked_at():
    state, toys = calibration_state(), toy_showers(1, 4)
    with pytest.raises(InputError, match="incident_energies: nan MeV in row 2"):
        calibration.log_likelihood(state, toys.voxels, np.array([[2e4], [2e4], [np.nan], [2e4]]))
    with pytest.raises(InputError, match="events:gen: count is nan in row 1"):
        data.unfolding.check_gen(np.array([[1, 2], [0, np.nan]]), TOY_COLUMNS)


def test_nothing_is_looked_at_while_jax_traces():
    state, showers = squirels_state(), toy_showers(1, 4)

    def total(scale):
        scaled = Showers(scale * showers.incident_energy, scale * showers.voxels, showers.geometry)
        return squirels.refine(KEY, state, scaled).voxels.sum()

    assert np.isfinite(jax.jit(total)(jnp.float32(1e3)))


MISTAKES = {
    "GeV": (1e-3, 1e-3, "incident energies of .* MeV: are they in GeV"),
    "energies": (1e-3, 1, r"cells add up to 9[67]\d times .*: are these in GeV"),
    "cells": (1, 1e-3, r"cells add up to 0\.0009[67]\d? times .*: are the cells in GeV"),
}


@pytest.mark.parametrize("energy, cells, expected", MISTAKES.values(), ids=MISTAKES)
def test_units_that_look_mistaken_are_told(caplog, energy, cells, expected):
    toys = toy_showers(0, 200)
    mistaken = Showers(toys.incident_energy * energy, toys.voxels * cells, toys.geometry)
    samples.require(mistaken, "fast")
    (record,) = caplog.records
    assert re.match(f"fast showers: {expected}", record.getMessage())


def test_no_sample_that_comes_with_the_package_looks_mistaken():
    for name in ("fast/train", "full/test"):
        assert data.units.remark(data.showers.read(data.samples.squirels(name))) is None
    assert data.units.remark(toy_showers(0, 200)) is None
