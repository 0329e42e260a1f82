"""`hepjax calochallenge`: what its commands print and write, and what is refused."""

import json
import sys

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.app import cli
from hepjax.data import geometry, showers, submission
from hepjax.pipelines import caloflow
from hepjax.pipelines.caloflow import training as caloflow_training
from hepjax.pipelines.caloflow.model import Spec
from hepjax.types import Showers

pytestmark = pytest.mark.usefixtures("fast_compilation")

SMALL = caloflow.Config(variant="coupling", depth=1, hidden=(8,), bins=4)


@pytest.fixture
def photons(tmp_path):
    """(number of showers, row -> a voxel of it) -> a file of photons, valid but for those and rows after the 15th."""

    def make(n, bad=()):
        energies = 2.0 ** np.arange(8, 8 + n)[:, None]
        voxels = np.repeat(energies, submission.challenge_geometry("1-photons").voxels, 1) / 368
        for row, value in dict(bad).items():
            voxels[row, 0] = value
        with h5py.File(tmp_path / "f.hdf5", "w") as file:
            file.update({"incident_energies": energies, "showers": voxels})
        return tmp_path / "f.hdf5"

    return make


def check(path):
    return "calochallenge", "submit-check", path, "--dataset", "1-photons"


def test_a_valid_file(photons, capsys):
    assert cli.main([str(word) for word in check(photons(15))]) == 0
    said = capsys.readouterr()
    valid, count, low = said.out.splitlines()
    assert valid == "valid" and not said.err
    assert count.endswith("f.hdf5: 15 showers, the challenge has 121,000")
    assert "of the voxels are above zero but under the threshold of 1 MeV" in low


def test_every_fault_is_a_line(photons, run):
    path = photons(16, {2: np.nan, 4: -1})
    code, error = run(*check(path))
    assert code == 2
    energies, nan, negative = error.splitlines()
    assert energies.startswith(
        f"hepjax: {path}:incident_energies: energies such as 8.38861e+06 MeV (1, the first in row 15), exp"
    )
    assert nan.startswith(
        f"hepjax: {path}:showers: voxels that are NaN or infinite in float32 (1, the first in row 2),"
    )
    assert negative.startswith(f"hepjax: {path}:showers: voxels that are negative (1, the first in row 4), expected")


def test_a_file_that_is_not_there(refused, tmp_path):
    refused("f.hdf5: no such file, expected an HDF5 file", *check(tmp_path / "f.hdf5"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A run folder of an untrained generator of 4 x 4 cells, for 1 to 2 GeV."""
    folder = tmp_path_factory.mktemp("model")
    state = caloflow_training.untrained(Spec(SMALL, geometry.named("crystals_4x4"), heavy=(), nodes=2))
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), state.params)
    caloflow.save(folder / "checkpoint", state._replace(params=params))
    return folder


TIMING = ("calochallenge", "timing", "--repeats", "2")


def test_timing_of_a_model(model, tmp_path, run):
    words = (*TIMING, "--model", model, "--batches", "30", "--device", "cpu", "--out", tmp_path / "t.json")
    assert run(*words) == (0, "")
    written = json.loads((tmp_path / "t.json").read_text())
    assert [(row["batch"], row["repeats"], row["note"]) for row in written["timing"]] == [(30, 2, "")]
    assert all(row["mean_ms"] > 0 for row in written["timing"])
    assert written["device"] == "cpu" and written["model"] == str(model) and "jax" in written["provenance"]


def test_timing_of_a_command(capsys):
    script = "import sys, time; time.sleep(float(sys.argv[1]) * 1e-3)"
    command = f"{sys.executable} -c '{script}' {{showers}} {{batch}}"
    assert cli.main([*TIMING, "--command", command, "--batches", "50", "--further", "200"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["batch", "ms", "a", "shower", "spread", "device"]
    assert row.split()[0] == "50" and "of the command" in row


@pytest.mark.parametrize(
    "extra, expected",
    [
        ([], "options model and command, expected one of them and not the other"),
        (["--model", "m", "--command", "c"], "options model and command, expected one of them and not the other"),
        (["--model", "none"], "none/checkpoint: no checkpoint here"),
        (["--model", "none", "--device", "tpu"], "device tpu: none here, expected cpu or auto"),
        (["--command", "gen {batch}"], "command 'gen {batch}' has no {showers}, expected both to be asked for"),
        (["--command", "gen {batch} {showers}", "--batches", "0"], "batches (0,), expected one or more of at least 1"),
        (["--command", "gen {batch} {showers}", "--repeats", "1"], "1 repeats, expected at least 2 for a spread"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_timed(extra, expected, refused):
    refused(expected, *TIMING, *extra)


def test_an_output_file_that_exists(refused, tmp_path):
    (tmp_path / "t.json").write_text("{}")
    refused("t.json: output file exists, expected a new", *TIMING, "--command", "gen", "--out", tmp_path / "t.json")


def test_energies_the_model_does_not_know(refused, model):
    refused(
        "energy-gev 500 900: outside of the training's, expected 0.9524 to 2.1 GeV",
        *TIMING,
        "--model",
        model,
        "--batches",
        "1",
        "--energy-gev",
        "500",
        "900",
    )


@pytest.fixture(scope="module")
def pions(tmp_path_factory):
    """Showers of independent voxels in set 1, groups a, b and c."""
    path = tmp_path_factory.mktemp("pions") / "p.hdf5"
    detector, rng = submission.challenge_geometry("1-pions"), np.random.default_rng(0)
    energies = rng.choice(2.0 ** np.arange(8, 11), (3, 80))
    shares = np.where(rng.random((3, 80, detector.voxels)) < 0.3, rng.gamma(1.0, 1.0, (3, 80, detector.voxels)), 0)
    samples = {
        name: Showers(e.astype(np.float32), (e[:, None] * s / 160).astype(np.float32), detector)
        for name, e, s in zip("abc", energies, shares, strict=True)
    }
    showers.write(path, samples)
    return path


QUICK = ("--config.epochs", 1, "--config.hidden", 8)


def evaluate(path, out, *more):
    start = ("calochallenge", "evaluate", "--dataset", "1-pions", "--reference", f"{path}:a", "--out", out)
    return (*start, "--generated", f"{path}:b", *more)


def test_evaluate_writes_a_report(pions, run, tmp_path):
    asked = ("--metrics", "kpd", "high")
    assert run(*evaluate(pions, tmp_path / "out", "--baseline", f"{pions}:c", *asked, *QUICK)) == (0, "")
    found = json.loads((tmp_path / "out" / "metrics.json").read_text())
    scores = ("auc_high", "jsd_high", "kpd")
    assert all(np.isfinite([found[name], found[f"{name}_error"]]).all() for name in scores)
    assert set(scores) < set(found["baseline"])
    assert found["samples"] == {"reference": 80, "p": 80, "baseline": 80}
    assert set(found["notes"]) == {"kpd", "high"}
    assert (tmp_path / "out" / "report.html").exists()
    assert list((tmp_path / "out" / "tables").glob("*.csv"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--dataset", "2"), "p.hdf5:a: geometry calochallenge_1_pions, expected calochallenge_2"),
        (("--generated", "none.hdf5"), "none.hdf5: no such file, expected an HDF5 file"),
        (("--metrics", "cnn"), "the convolutional classifier needs equal layers"),
        (("--metrics", "multiclass"), "multiclass: one generated sample, expected at least two to compare"),
        (("--device", "tpu"), "device tpu: none here"),
    ],
    ids=["set", "file", "cnn", "multiclass", "device"],
)
def test_evaluate_refuses(pions, refused, tmp_path, more, message):
    refused(message, *evaluate(pions, tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()
