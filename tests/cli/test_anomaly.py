"""`hepjax anomaly`: from files of showers to a file of scores."""

import h5py
import numpy as np
import pytest
from toys import toy_showers

from hepjax import data

pytestmark = pytest.mark.usefixtures("fast_compilation")

SHORT = {"epochs": 1, "batch-size": 64}
SMALL = {
    "config.held-out": 0.25,
    "config.degree": 1,
    "config.draws": 1,
    "config.showers.layers-depth": 1,
    "config.showers.layers-hidden": 8,
    "config.showers.depth": 1,
    "config.showers.hidden": 8,
    "config.showers.bins": 4,
    "config.showers.copies": 1,
    "config.showers.batch": 96,
    "config.energy.members": 1,
    "config.energy.hidden": 8,
    "config.energy.batch": 96,
}
TRAININGS = ("config.showers.layers-training", "config.showers.training", "config.energy.training")
OPTIONS = SMALL | {f"{training}.{name}": value for training in TRAININGS for name, value in SHORT.items()}
N = 100


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The run folder of a fit to 400 showers on 4 x 4 cells."""
    from hepjax.app import cli

    folder = tmp_path_factory.mktemp("anomaly")
    data.showers.write(folder / "background.hdf5", toy_showers(0, 4 * N))
    words = [word for name, value in OPTIONS.items() for word in (f"--{name}", str(value))]
    out = folder / "run"
    command = ["anomaly", "fit", "--background", str(folder / "background.hdf5"), "--out", str(out), *words]
    assert cli.main(command) == 0
    return out


@pytest.fixture
def showers(tmp_path):
    """A file of showers with incident energies."""
    data.showers.write(tmp_path / "showers.hdf5", toy_showers(1, N))
    return tmp_path / "showers.hdf5"


def score(model, showers, out):
    return "anomaly", "score", "--model", model, "--showers", showers, "--out", out


def columns(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


def test_a_run_folder_is_complete(model):
    left = {str(p.relative_to(model)) for p in model.rglob("*") if "checkpoint/" not in str(p)}
    figures = {f"figures/history_{part}.png" for part in ("layers", "cells", "member_1")}
    assert left == {".hepjax", "config.json", "metrics.json", "history.csv", "checkpoint", "figures", *figures}


def test_scores_do_not_depend_on_incident_energies_unless_asked(model, showers, tmp_path, run):
    assert run(*score(model, showers, tmp_path / "with.hdf5")) == (0, "")
    assert run(*score(model, showers, tmp_path / "known.hdf5"), "--known-energy") == (0, "")
    with h5py.File(showers, "a") as file:
        del file["incident_energies"]
    assert run(*score(model, showers, tmp_path / "without.hdf5")) == (0, "")
    scored, again, known = (columns(tmp_path / f"{name}.hdf5") for name in ("with", "without", "known"))
    assert {name: column.shape for name, column in scored.items()} == dict.fromkeys(
        ("score", "log_prob", "energy_mev", "converged", "in_range"), (N,)
    )
    for name, column in scored.items():
        np.testing.assert_array_equal(column, again[name])
    np.testing.assert_array_equal(known["energy_mev"], toy_showers(1, N).incident_energy)
    assert np.isfinite(scored["score"]).all() and scored["in_range"].dtype == bool


def test_options_reach_the_score(model, showers, tmp_path, run):
    words = {"one": (), "two": ("--sides", "two"), "maximised": ("--energy", "maximised"), "seed": ("--seed", "1")}
    for name, extra in words.items():
        assert run(*score(model, showers, tmp_path / f"{name}.hdf5"), *extra) == (0, "")
    found = {name: columns(tmp_path / f"{name}.hdf5")["score"] for name in words}
    np.testing.assert_array_equal(found["two"], np.abs(found["one"]))
    assert not np.array_equal(found["seed"], found["one"]) and not np.array_equal(found["maximised"], found["one"])
    with h5py.File(tmp_path / "maximised.hdf5") as file:
        assert file.attrs["energy"] == "maximised" and file["energy_mev"].attrs["units"] == "MeV"


def test_what_is_refused(model, showers, tmp_path, refused):
    out = tmp_path / "out.hdf5"
    both = (*score(model, showers, out), "--known-energy", "--energy", "maximised")
    refused("known-energy and energy maximised exclude each other", *both)
    with h5py.File(showers, "a") as file:
        file["showers"][3, 5] = np.nan
    refused("showers.hdf5:showers: nan MeV in row 3", *score(model, showers, out))
    with h5py.File(showers, "a") as file:
        file["showers"][3, 5] = -1
        del file["incident_energies"]
    refused("showers.hdf5:showers: -1.0 MeV in row 3", *score(model, showers, out))
    refused("showers.hdf5:incident_energies: missing key", *score(model, showers, out), "--known-energy")
    data.showers.write(showers, toy_showers(1, N, name="crystals_3x4"))
    refused("geometry crystals_3x4, expected crystals_4x4", *score(model, showers, out))
