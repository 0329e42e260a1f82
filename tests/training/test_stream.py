import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from hepjax.training import Config, Encode, Stream, fit, stream
from hepjax.training.shuffle import permutation, windowed
from hepjax.types import InputError

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
CONFIG = Config(epochs=3, batch_size=20, learning_rate=0.05, window=60, block=8, checkpoint_minutes=1e-9)
SCRIPT = Path(__file__).parent / "scripts" / "killed.py"


class Stored:
    """Events in an HDF5 file. fails_at: number of the read that finds the file broken."""

    def __init__(self, path, events, fails_at=None):
        with h5py.File(path, "w") as file:
            for name, column in events.items():
                file.create_dataset(name, data=column, chunks=(8, *column.shape[1:]))
        self.file, self.reads, self.fails_at = h5py.File(path), 0, fails_at

    def __len__(self):
        return len(self.file["x"])

    def __getitem__(self, rows):
        if self.reads == self.fails_at:
            raise InputError("file.hdf5: cannot be read, expected a whole HDF5 file")
        self.reads += 1
        return {name: column[rows] for name, column in self.file.items()}


@pytest.fixture
def stored(data, tmp_path):
    return Stored(tmp_path / "events.hdf5", data)


def _blurred(key, width, batch):
    return {**batch, "y": batch["y"] + width * jax.random.normal(key, batch["y"].shape)}


def _same(a, b):
    """The same parameters, and histories up to the order of a sum."""
    for x, y in zip(jax.tree.leaves((a.params, a.last)), jax.tree.leaves((b.params, b.last)), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-6)
    for name, column in a.history.items():
        np.testing.assert_allclose(column, b.history[name], rtol=1e-5)


ordered = jax.jit(windowed, static_argnums=(1, 2, 3, 4))


@pytest.mark.parametrize("sizes", [(1050, 4, 300, 50), (1000, 2, 999, 16), (1000, 99, 10, 100), (7, 3, 2, 3)])
def test_every_row_appears_once(sizes):
    assert np.array_equal(np.sort(ordered(KEY, *sizes)), np.arange(sizes[0]))


def test_a_window_holds_whole_blocks_in_random_order():
    rows = np.asarray(ordered(KEY, 4096, 8, 512, 32))
    windows = rows.reshape(8, 512)
    blocks = [np.unique(window // 32) for window in windows]
    assert all(len(of_window) == 16 and stats.kstest(of_window / 128, "uniform").pvalue > 1e-4 for of_window in blocks)
    # Correlation of 512 rows with their places has a standard deviation of 0.044.
    assert all(abs(stats.spearmanr(np.arange(512), window).statistic) < 0.2 for window in windows)


def test_a_window_of_all_rows_is_a_permutation():
    assert np.array_equal(ordered(KEY, 100, 1, 100, 8), permutation(KEY, 100))


def test_parts_of_a_table_are_read_in_one_pass(stored, data, monkeypatch):
    monkeypatch.setattr(stream, "PASS", 32)
    few, many = np.array([3, 31, 32, 200]), np.arange(0, 240, 2)
    for rows, part in zip((few, many), stream.read(stored, few, many), strict=True):
        assert np.array_equal(part["x"], data["x"][rows])
    assert np.array_equal(stream.Part(stored, many)[5:9]["y"], data["y"][many[5:9]])


@pytest.mark.parametrize("accumulate", [1, 2])
@pytest.mark.parametrize("window", [0, 60])
def test_from_disk_is_as_from_memory(noisy, data, stored, window, accumulate):
    """240 events are twelve steps, of a window of all or four of three."""
    config = dataclasses.replace(CONFIG, window=window, accumulate=accumulate)
    more = {"validation": {name: column[:30] for name, column in data.items()}, "encode": Encode(_blurred, 0.1)}
    _same(fit(KEY, noisy, Stream(stored), config, **more), fit(KEY, noisy, data, config, **more))


def test_the_start_sees_events_of_the_whole_table_as_they_are_encoded(data):
    """Of 9600 events in rising order, 2048: sixteen parts of equal width leave 1/16 of the spread for the mean."""
    model = SimpleNamespace(
        init=lambda key, batch: {"mean": jnp.mean(batch)}, loss=lambda key, params, batch: (0 * params["mean"], {})
    )
    rising, config = np.sort(np.tile(data["y"], 40)), dataclasses.replace(CONFIG, epochs=1, validation=0.0)
    encode = Encode(lambda key, scale, y: scale * y, 10.0)
    first, second = (fit(KEY, model, events, config, encode=encode).last["mean"] for events in (rising, Stream(rising)))
    assert first == second
    assert abs(first - 10 * rising.mean()) < 10 * rising.std() / 16


def test_weights_are_divided_by_their_mean_over_the_file_or_by_one_that_is_stated(stored, data):
    mean = data["weight"].mean(dtype=np.float64)
    found, told = (stream.normalised(Stream(stored, given), "fit").source for given in (None, mean))
    reads = stored.reads
    for source in (found, told):
        np.testing.assert_allclose(source[5:9]["weight"], data["weight"][5:9] / mean, rtol=1e-6)
    stream.normalised(Stream(stored, mean), "fit")
    assert stored.reads == reads + 3  # two slices, and a row that shows that there are weights
    with pytest.raises(InputError, match="fit: weights of mean -1, expected one above zero"):
        stream.normalised(Stream(stored, -1.0), "fit")


def test_validation_events_are_held_out(model, data, stored):
    fitted = fit(KEY, model, Stream(stored), dataclasses.replace(CONFIG, validation=0.25))
    train, held = stream.split(KEY, Stream(stored), 0.25)
    rows = np.setdiff1d(np.arange(240), train.source.rows)
    assert len(train.source) == 180 and np.array_equal(held["x"], data["x"][rows])
    assert fitted.history["val_loss"][-1] < fitted.history["val_loss"][0]


@pytest.mark.parametrize("fails_at", [48, 80])
def test_a_fit_stopped_inside_an_epoch_goes_on_with_its_windows(noisy, data, stored, tmp_path, fails_at):
    """An epoch is four windows of some eight blocks; the file breaks in the third of the second, and of the third."""
    config = dataclasses.replace(CONFIG, validation=0.0)
    broken = Stored(tmp_path / "broken.hdf5", data, fails_at)
    with pytest.raises(InputError, match=r"^file.hdf5: cannot be read") as error:
        fit(KEY, noisy, Stream(broken), config, folder=tmp_path / "fit")
    assert "\n" not in str(error.value)
    (step,) = (int(path.name) for path in (tmp_path / "fit").iterdir() if path.name.isdigit())
    assert step % 4
    resumed = fit(KEY, noisy, Stream(stored), config, folder=tmp_path / "fit", resume=True)
    assert stored.reads < 70  # of 90: it does not begin anew
    whole = fit(KEY, noisy, Stream(stored), config)
    assert jax.tree.all(jax.tree.map(np.array_equal, whole, resumed))


def test_another_window_is_another_fit(noisy, stored, tmp_path):
    fit(KEY, noisy, Stream(stored), CONFIG, folder=tmp_path / "fit")
    with pytest.raises(InputError, match="another window"):
        config = dataclasses.replace(CONFIG, window=80)
        fit(KEY, noisy, Stream(stored), config, folder=tmp_path / "fit", resume=True)


def test_another_file_is_another_fit(noisy, data, stored, tmp_path):
    fit(KEY, noisy, Stream(stored), CONFIG, folder=tmp_path / "fit")
    other = Stored(tmp_path / "other.hdf5", {**data, "y": data["y"][::-1]})
    with pytest.raises(InputError, match="other events"):
        fit(KEY, noisy, Stream(other), CONFIG, folder=tmp_path / "fit", resume=True)


def test_without_grain_one_line_says_what_to_install(model, stored, monkeypatch):
    monkeypatch.setitem(sys.modules, "grain", None)
    with pytest.raises(InputError, match=r"needs grain; expected `pip install hepjax\[stream\]`"):
        fit(KEY, model, Stream(stored), CONFIG)


def test_a_fit_from_disk_killed_ends_with_the_same_parameters(tmp_path):
    run = subprocess.run([sys.executable, SCRIPT, tmp_path, "stream"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout.splitlines()[-1])
    assert all(kill["killed"] and kill["to"] > kill["from"] for kill in result["kills"])
    assert all(result["identical"])
