"""`hepjax showers`: one verb for all generators, and its older name."""

import json

import h5py
import numpy as np
import pytest
from toys import toy_showers

from hepjax.data import showers
from hepjax.pipelines import table
from hepjax.pipelines.showers import options

pytestmark = pytest.mark.usefixtures("fast_compilation")

SMALL = "layers-depth=1 layers-hidden=8 depth=1 hidden=8 bins=4 copies=1 layers-training.epochs=1 training.epochs=1"
WORDS = [f"--config.{word}" for word in SMALL.split()]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("showers") / "sample.hdf5"
    showers.write(path, toy_showers(0, 200))
    return path


def generated(run, sample, folder, fit, verb):
    """The showers of a generator that a command line fits, and what its run folder says it was asked for."""
    folder.mkdir()
    assert run(*fit, "--showers", sample, "--out", folder / "run", *WORDS) == (0, "")
    words = ("--model", folder / "run", "--energies", sample, "--out", folder / "made.hdf5")
    assert run(*verb, *words) == (0, "")
    with h5py.File(folder / "made.hdf5") as file:
        assert file.attrs["method"] == "CaloFlow"
        return np.asarray(file["showers"]), json.loads((folder / "run" / "config.json").read_text())


def test_the_older_name_gives_the_same_showers(run, sample, tmp_path):
    new = generated(run, sample, tmp_path / "new", ("showers", "fit", "--method", "caloinn"), ("showers", "sample"))
    older = ("caloflow", "fit", "--config.variant", "coupling")
    old = generated(run, sample, tmp_path / "old", older, ("caloflow", "sample"))
    np.testing.assert_array_equal(new[0], old[0])
    assert new[1]["method"] == "caloinn" and new[1]["config"] == old[1]["config"]
    # Each verb reads what the other has fitted.
    words = ("--model", tmp_path / "old" / "run", "--energies", sample, "--out", tmp_path / "again.hdf5")
    assert run("showers", "sample", *words) == (0, "")
    with h5py.File(tmp_path / "again.hdf5") as file:
        np.testing.assert_array_equal(np.asarray(file["showers"]), new[0])


def test_a_method_has_its_own_configuration():
    for words in (["--method", "caloinn"], ["--method=caloinn"]):
        kind = options.fit_of(words)
        assert kind.__dataclass_fields__["config"].default == options.methods()["caloinn"]
    assert options.fit_of([]).__dataclass_fields__["method"].default == next(iter(options.methods()))
    assert issubclass(options.fit_of(["--method", "caloinn"]), options.ShowersFit)
    assert table.of_options(options.fit_of([])) == "showers"


def test_a_model_that_generates_no_showers_is_refused(files, tmp_path, refused):
    expected = "run/checkpoint: holds another model, expected one that generates showers: caloflow"
    words = ("--model", files / "run", "--energies", files / "test.hdf5", "--out", tmp_path / "made.hdf5")
    refused(expected, "showers", "sample", *words)
