"""Fits to files that exceed the memory they may take: read while training, and chosen by the budget alone."""

import h5py
import numpy as np
import pytest
from toys import toy_showers

from hepjax import data
from hepjax.app import cli
from hepjax.pipelines.showers import stored

pytestmark = pytest.mark.usefixtures("fast_compilation")

SMALL = {
    "config.variant": "coupling",
    "config.symmetry": "none",
    "config.depth": 1,
    "config.hidden": 8,
    "config.bins": 4,
    "config.copies": 1,
    "config.training.epochs": 2,
    "config.training.batch-size": 64,
}
BUDGET_GIB = 1e-4  # 107 kB: a file of 1000 showers of 4 x 4 cells has 68 kB, a fit to them in memory three times that


@pytest.fixture
def showers(tmp_path):
    data.showers.write(tmp_path / "showers.hdf5", toy_showers(0, 1000))
    return tmp_path / "showers.hdf5"


def fit(showers, out, memory_gib=BUDGET_GIB):
    words = [str(word) for name, value in SMALL.items() for word in (f"--{name}", value)]
    return "caloflow", "fit", "--showers", str(showers), "--out", str(out), "--memory-gib", str(memory_gib), *words


def test_the_budget_decides(showers, tmp_path, capsys):
    assert cli.main(fit(showers, tmp_path / "small")) == 0
    said = capsys.readouterr()
    assert said.out.endswith("showers are read while training\n") and said.out.count("\n") == 1 and not said.err
    assert (tmp_path / "small" / "checkpoint").is_dir()
    with stored.opened(str(showers), 1e-3, lambda geometry: 3) as found:
        assert len(found) == 1000 and isinstance(found, data.showers.Showers)


def test_background_on_disk_is_learned_and_scored(showers, tmp_path, run):
    """By the flow from disk, and a calibration by the features of all showers, in memory."""
    options = {f"config.showers.{name.removeprefix('config.')}": value for name, value in SMALL.items()}
    options |= {"config.energy.members": 1, "config.energy.hidden": 8, "config.energy.training.epochs": 1}
    options |= {"config.degree": 1, "config.draws": 1, "memory-gib": BUDGET_GIB}
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    assert run("anomaly", "fit", "--background", showers, "--out", tmp_path / "run", *words) == (0, "")
    scores = tmp_path / "scores.hdf5"
    assert run("anomaly", "score", "--model", tmp_path / "run", "--showers", showers, "--out", scores) == (0, "")
    with h5py.File(scores) as file:
        # Of the background, most of which is trained on: standard scores, whose median is well within 1.
        assert len(file["score"]) == 1000 and abs(np.median(file["score"])) < 1


def test_bad_showers_are_refused_before_the_training(showers, refused):
    with h5py.File(showers, "a") as file:
        file["showers"][990, 5] = np.nan
    refused("showers.hdf5:showers: nan MeV in row 990", *fit(showers, showers.parent / "out"))
    refused("memory-gib is -1.0, expected a positive number", *fit(showers, showers.parent / "out", -1.0))
    refused("memory for a sample of", *fit(showers, showers.parent / "out", 1e-6))
