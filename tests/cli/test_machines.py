"""Commands that share their work among devices and processes."""

import jax
import numpy as np
import processes
import pytest
from toys import toy_showers

from hepjax.data import showers
from hepjax.pipelines import calibration

pytestmark = pytest.mark.usefixtures("fast_compilation")

TRAINING = ("epochs=2", "batch-size=40", "epochs-per-call=1", "checkpoint-every=1")
SMALL = [f"--config.{option}" for option in ("members=1", "hidden=8", *(f"training.{o}" for o in TRAINING))]


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """The path of a file of 200 showers in 4 x 4 crystals."""
    path = tmp_path_factory.mktemp("machines") / "showers.hdf5"
    showers.write(path, toy_showers(0, 200))
    return path


def fit(sample, out, *more):
    """The words of a fit."""
    return [str(word) for word in ("calibrate", "fit", "--showers", sample, "--out", out, *SMALL, *more)]


def distributed(sample_of_each, out):
    """Fit in two processes, which all read a file of their own."""
    words = ("--distributed", "--devices", "all", "--coordinator", processes.free_address(), "--processes", "2")
    commands = (fit(sample, out, *words, "--process", i) for i, sample in enumerate(sample_of_each))
    return processes.run(*(["-m", "hepjax", *command] for command in commands))


def test_two_processes_leave_the_run_folder_of_one(sample, tmp_path, run):
    ended = distributed([sample, sample], tmp_path / "two")
    assert ended == [(0, "", "")] * 2
    assert run(*fit(sample, tmp_path / "one")) == (0, "")
    names = [sorted(p.relative_to(out) for p in out.glob("*")) for out in (tmp_path / "one", tmp_path / "two")]
    assert names[0] == names[1]
    assert (tmp_path / "one" / "config.json").read_text() == (tmp_path / "two" / "config.json").read_text()
    one, two = (calibration.load(tmp_path / name / "checkpoint") for name in ("one", "two"))
    assert one.spec == two.spec
    for a, b in zip(jax.tree.leaves(one.params), jax.tree.leaves(two.params), strict=True):
        assert np.linalg.norm(a - b) <= 1e-4 * np.linalg.norm(a)
    # On which machines a run is resumed is no option that it must share.
    assert run(*fit(sample, tmp_path / "two", "--resume")) == (0, "")


def test_a_file_that_one_process_lacks_ends_both(sample, tmp_path):
    ended = distributed([sample, tmp_path / "none.hdf5"], tmp_path / "out")
    line = f"hepjax: {tmp_path / 'none.hdf5'}: no such file, expected an HDF5 file\n"
    assert ended == [(2, "", line)] * 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "words, expected",
    [
        (("--devices", "1000"), "devices: 1000 asked for, expected all, or between 1 and"),
        (("--processes", "2"), "options coordinator, processes and process, expected beside distributed"),
        (("--distributed", "--coordinator", "localhost"), "distributed: coordinator localhost, expected host:port"),
        (("--distributed", "--coordinator", "localhost:1"), "distributed: cannot join the job's processes ("),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_machines_that_are_not_there(words, expected, refused, sample, tmp_path):
    refused(expected, *fit(sample, tmp_path / "out", *words))
