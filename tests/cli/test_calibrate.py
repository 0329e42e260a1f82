"""`hepjax calibrate`: a run folder, energies of a file without energies, and what is refused."""

import json

import h5py
import numpy as np
import pytest
from toys import toy_showers

from hepjax.data import showers, tables
from hepjax.pipelines import calibration

pytestmark = pytest.mark.usefixtures("fast_compilation")

SMALL = [f"--config.{option}" for option in ("members=2", "hidden=8", "training.epochs=2", "training.batch-size=50")]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The path of a file of 200 showers in 4 x 4 crystals."""
    path = tmp_path_factory.mktemp("calibrate") / "showers.hdf5"
    showers.write(path, toy_showers(0, 200))
    return path


@pytest.fixture(scope="module")
def model(sample, tmp_path_factory):
    """A run folder."""
    from hepjax.app import cli

    out = tmp_path_factory.mktemp("runs") / "cal"
    assert cli.main(["calibrate", "fit", "--showers", str(sample), "--out", str(out), *SMALL]) == 0
    return out


def test_a_run_folder_is_complete(model):
    left = {p.name for p in model.iterdir()}
    assert left == {".hepjax", "config.json", "metrics.json", "history.csv", "figures", "checkpoint"}
    assert {p.name for p in (model / "figures").iterdir()} == {"history_member_1.png", "history_member_2.png"}
    assert json.loads((model / "config.json").read_text())["config"]["members"] == 2
    assert calibration.load(model / "checkpoint").spec.geometry.name == "crystals_4x4"


def test_energies_are_written_without_energies_being_read(model, run, tmp_path):
    unseen = toy_showers(1, 60)
    with h5py.File(tmp_path / "blind.hdf5", "w") as file:
        file.attrs["geometry"] = "crystals_4x4"
        file["showers"] = unseen.voxels
    out = tmp_path / "energies.hdf5"
    words = ("calibrate", "apply", "--model", model, "--showers", tmp_path / "blind.hdf5", "--out", out)
    assert run(*words) == (0, "")
    table = tables.read(out)
    assert set(table) == set(calibration.Calibrated._fields)
    assert all(column.shape == (60,) for column in table.values()) and table["converged"].dtype == bool
    with h5py.File(out) as file:
        assert file["energy_mev"].attrs["units"] == "MeV" and file["nll"].attrs["units"] == "nats"
        assert file.attrs["model"] == str(model)
    expected = calibration.calibrate(calibration.load(model / "checkpoint"), unseen.voxels)
    np.testing.assert_array_equal(table["energy_mev"], expected.energy_mev)
    code, error = run(*words)
    assert code == 2 and "output file exists" in error
    assert run(*words, "--overwrite") == (0, "")


BAD = {
    "nan": (lambda v: np.where(np.arange(16) == 3, np.nan, v), "showers: nan MeV in row 0"),
    "negative": (lambda v: v - 1e6, "MeV in row 0, expected finite energies zero or above"),
    "width": (lambda v: v[:, :15], "15 voxels a shower, expected 16 for geometry crystals_4x4"),
    "none": (lambda v: v[:0], "zero showers, expected at least one"),
}


@pytest.mark.parametrize("verb", ["fit", "apply"])
@pytest.mark.parametrize("change, expected", BAD.values(), ids=BAD.keys())
def test_showers_that_cannot_be_used(verb, change, expected, model, refused, tmp_path):
    good = toy_showers(1, 120)
    with h5py.File(tmp_path / "bad.hdf5", "w") as file:
        file.attrs["geometry"] = "crystals_4x4"
        file["showers"] = change(good.voxels)
        file["incident_energies"] = good.incident_energy[:, None]
    words = ("--showers", tmp_path / "bad.hdf5", "--out", tmp_path / "out")
    refused(expected, "calibrate", verb, *words, *(("--model", model) if verb == "apply" else ()))


def test_another_geometry_and_another_model(model, refused, files, tmp_path):
    showers.write(tmp_path / "other.hdf5", toy_showers(1, 20, name="crystals_3x4"))
    words = ("--showers", tmp_path / "other.hdf5", "--out", tmp_path / "out.hdf5")
    refused("geometry crystals_3x4, expected crystals_4x4", "calibrate", "apply", "--model", model, *words)
    refused(
        "holds another model (squirels), expected one of a calib",
        "calibrate",
        "apply",
        "--model",
        files / "run",
        *words,
    )


def test_one_energy_alone(refused, tmp_path):
    sample = toy_showers(1, 120)
    sample.incident_energy[:] = 1e4
    showers.write(tmp_path / "one.hdf5", sample)
    words = ("--showers", tmp_path / "one.hdf5", "--out", tmp_path / "out", *SMALL)
    refused("expected a range of incident energies", "calibrate", "fit", *words)
