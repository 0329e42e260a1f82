"""Two processes with two devices each train as one device does, and go on after one of them was killed."""

import signal
from pathlib import Path

import numpy as np
import processes
import pytest

SCRIPT = Path(__file__).parent / "scripts" / "processes.py"


def train(folder, cache, kill=(0, 0)):
    """Train in two processes; after so many epochs they kill themselves."""
    address = processes.free_address()
    words = ([SCRIPT, folder, kill[process], address, process] for process in range(2))
    return processes.run(*words, JAX_ENABLE_COMPILATION_CACHE="1", JAX_COMPILATION_CACHE_DIR=str(cache))


def left(folder, name):
    """All leaves of what a fit has returned."""
    with np.load(folder / f"{name}.npz") as file:
        return [file[key] for key in file.files]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What fits alone and in two processes have left, in `alone` and `two`."""
    folder = tmp_path_factory.mktemp("processes")
    ended = [*processes.run([SCRIPT, folder / "alone", 0], devices=1), *train(folder / "two", folder / "cache")]
    assert all(one == (0, "", one.error) for one in ended), ended
    return folder


@pytest.mark.parametrize("name, tolerance", [("float32", 1e-4), ("float64", 1e-9), ("windows", 1e-9)])
def test_two_processes_give_the_result_of_one_device(folder, name, tolerance):
    """After a hundred steps; on the same events, of which those to validate on do not divide over four devices."""
    alone, *both = left(folder / "alone", f"{name}_0"), *(left(folder / "two", f"{name}_{i}") for i in range(2))
    for two in both:
        distances = [np.linalg.norm(a - b) / np.linalg.norm(a) for a, b in zip(alone, two, strict=True)]
        assert max(distances) < tolerance
    assert all(map(np.array_equal, *both))
    assert list((folder / "cache").iterdir())


def test_one_is_killed_and_all_go_on(folder, tmp_path):
    """The one that the others talk through: they end with it, by themselves."""
    first, second = train(tmp_path, folder / "cache", kill=(4, 0))
    assert first.code == -signal.SIGKILL and second.code not in (0, 2), second
    assert not list(tmp_path.glob("*.npz"))
    epochs = [int(path.name) for path in (tmp_path / "fit").iterdir() if path.name.isdigit()]
    assert epochs and max(epochs) < 5
    ended = train(tmp_path, folder / "cache")
    assert [one.code for one in ended] == [0, 0], ended
    for process in range(2):
        name = f"float32_{process}"
        assert all(map(np.array_equal, left(tmp_path, name), left(folder / "two", name)))
