"""What the commands leave behind: a run that is killed and resumed, refined showers, a report; and a full disk."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from toys import TINY, physical, same_numbers

from hepjax import data
from hepjax.app import cli
from hepjax.pipelines import squirels

pytestmark = pytest.mark.usefixtures("fast_compilation")

OFTEN = dataclasses.replace(TINY.shape_training, epochs=20, batch_size=32)
CONFIG = dataclasses.replace(TINY, coordinates="zscore", validation=0.0, response_training=OFTEN, shape_training=OFTEN)


def options(config, default, prefix="--config"):
    """The command line's words for what differs from the default configuration."""
    for field in dataclasses.fields(config):
        value, usual = getattr(config, field.name), getattr(default, field.name)
        name = f"{prefix}.{field.name}".replace("_", "-")
        if dataclasses.is_dataclass(value):
            yield from options(value, usual, name)
        elif value != usual:
            yield from (name, str(value))


def fit(files, out):
    command = ["squirels", "fit", "--fast", files / "fast.hdf5", "--full", files / "full.hdf5", "--out", out]
    return [str(word) for word in (*command, *options(CONFIG, squirels.Config()))]


def config(out):
    return (out / "config.json").read_text()


def kill_at_a_random_moment(command, started):
    """Run a command in a process of its own, and kill it some time after the path `started` has appeared."""
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    process = subprocess.Popen([sys.executable, "-m", "hepjax", *command], env=environment)
    deadline = time.monotonic() + 240
    while not started.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(random.uniform(0, 1))
    process.kill()
    return process.wait()


@pytest.fixture(scope="module")
def unbroken(files, tmp_path_factory):
    # What other tests compiled otherwise would differ from a new process by float32 roundings.
    jax.clear_caches()
    out = tmp_path_factory.mktemp("runs") / "deep" / "unbroken"
    assert cli.main(fit(files, out)) == 0
    return out


def test_a_run_folder_is_complete(unbroken):
    left = {str(p.relative_to(unbroken)) for p in unbroken.rglob("*") if "checkpoint/" not in str(p)}
    figures = {"figures", "figures/history_response.png", "figures/history_shape.png"}
    assert left == {".hepjax", "config.json", "metrics.json", "history.csv", "checkpoint", *figures}
    metrics = json.loads((unbroken / "metrics.json").read_text())
    assert metrics["seconds_fit"] > 0 and metrics["parameters"] > 100
    assert {"hepjax", "jax", "device", "date"} <= set(metrics["provenance"])
    assert json.loads((unbroken / "config.json").read_text())["config"]["width"] == 8
    assert squirels.load(unbroken / "checkpoint").spec.config == CONFIG


def test_a_killed_run_resumes_to_identical_parameters(unbroken, files, tmp_path, run):
    command, out = fit(files, tmp_path / "run"), tmp_path / "run"
    code = kill_at_a_random_moment(command, out / "progress" / "response" / "1")
    assert code == -signal.SIGKILL and not (out / "checkpoint").exists()
    other = [*command, "--seed", "1", "--resume"]
    code, error = run(*other)
    assert code == 2 and "resume expects the options and data of the run, other: seed" in error
    assert run(*command, "--resume") == (0, "")
    states = [squirels.load(folder / "checkpoint") for folder in (out, unbroken)]
    assert same_numbers(*states)
    for name in ("history.csv", "figures/history_shape.png"):
        assert (out / name).read_bytes() == (unbroken / name).read_bytes()
    assert not (out / "progress").exists()
    assert run(*command, "--resume") == (0, "")
    # What is finished is another run with other showers in a file of the same name.
    other, full = tmp_path / "files", data.showers.read(files / "full.hdf5")
    other.mkdir()
    for name, sample in (("fast", data.showers.read(files / "fast.hdf5")), ("full", full[::-1])):
        data.showers.write(other / f"{name}.hdf5", sample)
    (tmp_path / "run" / "config.json").write_text(config(out).replace(str(files), str(other)))
    code, error = run(*fit(other, out), "--resume")
    assert code == 2 and error.count("\n") == 1 and "expects the options and data of the run, other: data" in error


def test_refine_then_compare(unbroken, files, tmp_path, run):
    refined = tmp_path / "refined.hdf5"
    assert run("squirels", "refine", "--model", unbroken, "--fast", files / "test.hdf5", "--out", refined) == (0, "")
    fast, written = data.showers.read(files / "test.hdf5"), data.showers.read(refined)
    assert physical(written) and written.geometry == fast.geometry
    np.testing.assert_array_equal(written.incident_energy, fast.incident_energy)
    words = ("compare", "--reference", files / "full.hdf5", "--generated", refined, "--out", tmp_path / "report")
    assert run(*words) == (0, "")
    report = tmp_path / "report"
    assert {"metrics.json", "report.html", "figures"} <= {p.name for p in report.iterdir()}
    metrics = json.loads((report / "metrics.json").read_text())
    assert metrics["showers_compared"] == 128 and 0 < metrics["auc_mlp"] < 1
    assert metrics["provenance"]["generated"] == str(refined)


def test_a_disk_that_fills_up_under_a_checkpoint(refused, files, tmp_path, small_files):
    """No file may grow beyond 64 kB, which config.json does not need and a checkpoint does."""
    small_files(1 << 16)
    refused("cannot write the checkpoint ([Errno 27] File too large)", *fit(files, tmp_path / "out"))
