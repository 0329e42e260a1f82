"""Commands in chunks: the same file whether they are many or one, stopped and resumed, on devices or processes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from toys import toy_showers

from hepjax.app import chunks as app_chunks
from hepjax.app import cli, runs
from hepjax.data import showers
from hepjax.types import Showers

pytestmark = pytest.mark.usefixtures("fast_compilation")

SCRIPT = Path(__file__).parent / "scripts" / "stream.py"
ROWS = 48  # of 128 showers: two whole chunks and a rest
FOUR = "--xla_force_host_platform_device_count=4"


def refine(files, out, fast=None):
    words = ("squirels", "refine", "--model", files / "run", "--fast", fast or files / "test.hdf5", "--out", out)
    return [str(word) for word in words]


@pytest.fixture
def chunks(monkeypatch):
    monkeypatch.setattr(app_chunks, "chunk_rows", lambda _: ROWS)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """That of processes which share their compiled programs."""
    cache = {"JAX_ENABLE_COMPILATION_CACHE": "1", "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("cache"))}
    cache |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0", "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
    return {**os.environ, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_PLATFORMS": "cpu", **cache}


def started(environment, words, **options):
    """A command in a process of its own."""
    environment = environment | ({"XLA_FLAGS": FOUR} if "devices" in options else {})
    command = [sys.executable, SCRIPT, json.dumps({"rows": ROWS} | options), *words]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ended(*processes):
    """Exit codes, and what was said, of processes."""
    said = [process.communicate(timeout=240) for process in processes]
    return [process.returncode for process in processes], said


@pytest.fixture(scope="module")
def unbroken(files, tmp_path_factory):
    """The file of a run in chunks."""
    jax.clear_caches()  # what other tests compiled otherwise would differ from a new process by roundings
    out = tmp_path_factory.mktemp("streams") / "refined.hdf5"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_chunks, "chunk_rows", lambda _: ROWS)
        assert cli.main(refine(files, out)) == 0
    assert [path.name for path in out.parent.iterdir()] == ["refined.hdf5"]
    return out


def apart(one, other):
    """The relative distance of two files of showers."""
    a, b = (showers.read(path) for path in (one, other))
    np.testing.assert_array_equal(a.incident_energy, b.incident_energy)
    return np.linalg.norm(a.voxels - b.voxels) / np.linalg.norm(a.voxels)


def test_chunks_and_one_piece_are_the_same(unbroken, files, tmp_path, run):
    out = tmp_path / "one.hdf5"
    assert run(*refine(files, out)) == (0, "")
    assert apart(unbroken, out) < 1e-5
    with h5py.File(unbroken) as chunked, h5py.File(out) as whole:
        assert dict(chunked.attrs) == dict(whole.attrs)
        for key, like in whole.items():
            found = chunked[key]
            assert (found.shape, found.dtype, found.compression) == (like.shape, like.dtype, like.compression)


def test_a_killed_command_goes_on_to_the_same_file(unbroken, files, tmp_path, run, chunks, environment):
    out = tmp_path / "refined.hdf5"
    assert ended(started(environment, refine(files, out), killed="000001.hdf5"))[0] == [-signal.SIGKILL]
    parts = tmp_path / ".refined.hdf5.parts"
    assert not out.exists() and (parts / "000000.hdf5").exists() and not (parts / "000001.hdf5").exists()
    first = (parts / "000000.hdf5").stat()

    code, error = run(*refine(files, out))
    assert code == 2 and ".refined.hdf5.parts: output folder exists, expected a new one, or the option" in error
    for other in (["--seed", "1"], ["--fast", f"{files}/full.hdf5"]):
        code, error = run(*refine(files, out), *other, "--resume")
        assert code == 2 and "resume expects the options and data of the run, other: " + other[0][2:] in error
    refused_of_another_input(files, out, tmp_path, run)
    assert (parts / "000000.hdf5").stat() == first

    assert run(*refine(files, out), "--resume") == (0, "")
    assert out.read_bytes() == unbroken.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["refined.hdf5"]


def refused_of_another_input(files, out, tmp_path, run):
    """In place of the very file, one with another event in its middle."""
    path, sample = files / "test.hdf5", showers.read(files / "test.hdf5")
    kept, cells = path.read_bytes(), np.array(sample.voxels)
    cells[len(cells) // 2] *= 0.5
    showers.write(path, Showers(sample.incident_energy, cells, sample.geometry))
    code, error = run(*refine(files, out), "--resume")
    assert code == 2 and "other: events" in error
    path.write_bytes(kept)


def test_a_stopped_command_may_start_anew(unbroken, files, tmp_path, run, chunks, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    out = tmp_path / "refined.hdf5"
    with monkeypatch.context() as patch:
        patch.setattr(app_chunks, "_work", interrupted)
        code, error = run(*refine(files, out))
    assert code == 130 and error.count("\n") == 1
    assert error.startswith("hepjax: stopped; the command goes on with the events that are missing with --resume")
    assert (tmp_path / ".refined.hdf5.parts").exists()
    assert run(*refine(files, out), "--overwrite") == (0, "")
    assert out.read_bytes() == unbroken.read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["refined.hdf5"]


def test_a_shower_that_is_bad_in_a_late_chunk(files, tmp_path, refused, chunks, monkeypatch):
    monkeypatch.setattr(runs, "BLOCKS", 1)  # the first and last events are read at once
    sample = toy_showers(2, 128)
    showers.write(tmp_path / "bad.hdf5", sample)
    with h5py.File(tmp_path / "bad.hdf5", "a") as file:
        file["showers"][100, 3] = np.nan
    refused("bad.hdf5:showers: nan MeV in row 100", *refine(files, tmp_path / "out.hdf5", tmp_path / "bad.hdf5"))


def test_four_devices_share_the_work(unbroken, files, tmp_path, environment):
    out = tmp_path / "refined.hdf5"
    codes, said = ended(started(environment, refine(files, out), devices="all"))
    assert codes == [0] and said == [("", "")]
    assert apart(unbroken, out) < 1e-4


def two(environment, files, tmp_path, fast=None):
    """Exit codes, and what they say, of two processes that share a command."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    words = refine(files, tmp_path / "refined.hdf5", fast)
    return ended(*(started(environment, words, joined=[address, 2, process]) for process in range(2)))


def test_two_processes_share_the_work(unbroken, files, tmp_path, environment):
    codes, said = two(environment, files, tmp_path)
    assert codes == [0, 0], said
    assert apart(unbroken, tmp_path / "refined.hdf5") < 1e-5
    assert [path.name for path in tmp_path.iterdir()] == ["refined.hdf5"]


def test_what_is_bad_for_one_process_ends_both(files, tmp_path, environment):
    """The first shower of the second process, which alone reads it."""
    showers.write(tmp_path / "bad.hdf5", toy_showers(2, 1200))
    with h5py.File(tmp_path / "bad.hdf5", "a") as file:
        file["showers"][625, 3] = np.nan
    codes, said = two(environment, files, tmp_path, fast=tmp_path / "bad.hdf5")
    assert codes == [2, 2], said
    assert all("bad.hdf5:showers: nan MeV in row 625" in error for _, error in said)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.hdf5"]


@pytest.mark.parametrize("width, rows", [(16, 32768), (368, 32768), (6480, 5120), (40500, 512), (10**7, 512)])
def test_chunks_fit_into_memory_and_into_those_of_a_file(width, rows):
    assert app_chunks.chunk_rows(width) == rows
