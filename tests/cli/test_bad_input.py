"""Every bad input to every command that reads it: one clear line, exit code 2, nothing left behind."""

import errno
import os
import shutil

import h5py
import numpy as np
import pytest
from toys import toy_showers

from hepjax.data import showers

N = 128


def content(**changes):
    """Data sets of a good file of 4 x 4 cells, some of them changed or (None) left out."""
    good = toy_showers(3, N)
    return {"incident_energies": good.incident_energy[:, None], "showers": good.voxels} | changes


def changed(values, index, value):
    copy = np.array(values)
    copy[index] = value
    return copy


GOOD = content()
ENERGIES, VOXELS = GOOD["incident_energies"], GOOD["showers"]
BAD = {
    "missing key": (content(showers=None), "bad.hdf5:showers: missing key showers"),
    "missing energies": (content(incident_energies=None), "bad.hdf5:incident_energies: missing key"),
    "width": (content(showers=VOXELS[:, :15]), "15 voxels a shower, expected 16 for geometry crystals_4x4"),
    "nan": (content(showers=changed(VOXELS, (5, 3), np.nan)), "bad.hdf5:showers: nan MeV in row 5, expected finite"),
    "inf": (content(showers=changed(VOXELS, (6, 0), np.inf)), "bad.hdf5:showers: inf MeV in row 6, expected finite"),
    "negative": (content(showers=changed(VOXELS, (7, 1), -2.0)), "bad.hdf5:showers: -2.0 MeV in row 7"),
    "no showers": (content(showers=VOXELS[:0], incident_energies=ENERGIES[:0]), "zero showers, expected at least one"),
    "lengths": (content(incident_energies=ENERGIES[:100]), "100 incident_energies but 128 showers, expected as many"),
    "zero energy": (content(incident_energies=changed(ENERGIES, 4, 0)), "bad.hdf5:incident_energies: 0.0 MeV in row 4"),
    "negative energy": (content(incident_energies=changed(ENERGIES, 4, -1)), "incident_energies: -1.0 MeV in row 4"),
}
TWO = "compare --reference {files}/full.hdf5 --generated {files}/fast.hdf5 --out {out}"
# Each command with the option whose file is bad; {out} is what it would write.
READERS = {
    "fit --fast": "squirels fit --fast {bad} --full {files}/full.hdf5 --out {out}",
    "fit --full": "squirels fit --full {bad} --fast {files}/fast.hdf5 --out {out}",
    "refine --fast": "squirels refine --model {files}/run --fast {bad} --out {out}.hdf5",
    "compare --reference": "compare --reference {bad} --generated {files}/fast.hdf5 --out {out}",
    "compare --generated": "compare --reference {files}/full.hdf5 --generated {bad} --out {out}",
    "compare --baseline": TWO + " --baseline {bad}",
    "compare --train": TWO + " --train {bad}",
}
every_reader = pytest.mark.parametrize("command", READERS.values(), ids=READERS.keys())


def words(command, files, tmp_path):
    return command.format(bad=tmp_path / "bad.hdf5", files=files, out=tmp_path / "out").split()


def write(path, content, geometry="crystals_4x4"):
    with h5py.File(path, "w") as file:
        file.attrs["geometry"] = geometry
        for key, values in content.items():
            if values is not None:
                file[key] = values


@every_reader
@pytest.mark.parametrize("content, expected", BAD.values(), ids=BAD.keys())
def test_bad_content(command, content, expected, refused, files, tmp_path):
    write(tmp_path / "bad.hdf5", content)
    refused(expected, *words(command, files, tmp_path))


@every_reader
def test_a_missing_file(command, refused, files, tmp_path):
    refused("bad.hdf5: no such file, expected an HDF5 file", *words(command, files, tmp_path))


@every_reader
def test_a_file_that_is_not_hdf5(command, refused, files, tmp_path):
    (tmp_path / "bad.hdf5").write_text("incident_energies, showers")
    refused("bad.hdf5: not an HDF5 file", *words(command, files, tmp_path))


@every_reader
def test_an_unknown_geometry(command, refused, files, tmp_path):
    write(tmp_path / "bad.hdf5", GOOD, geometry="atlas")
    asked_first = "--full {bad}" in command or "--reference {bad}" in command
    expected = "unknown geometry 'atlas'" if asked_first else "geometry atlas, expected crystals_4x4"
    refused(expected, *words(command, files, tmp_path))


@every_reader
def test_a_geometry_that_is_not_that_of_the_others(command, refused, files, tmp_path):
    write(tmp_path / "bad.hdf5", content(showers=VOXELS[:, :12]), geometry="crystals_3x4")
    refused("crystals_3x4", *words(command, files, tmp_path))


@every_reader
def test_a_missing_group(command, refused, files, tmp_path):
    write(tmp_path / "bad.hdf5", GOOD)
    command = command.replace("{bad}", "{bad}:fast/test")
    refused("bad.hdf5:fast/test: no such group", *words(command, files, tmp_path))


def test_widths_without_a_known_geometry(refused, files, tmp_path):
    with h5py.File(tmp_path / "bad.hdf5", "w") as file:
        file.update(content())
    refused("no known geometry has 16 voxels", *words(READERS["fit --full"], files, tmp_path))


@pytest.mark.parametrize("command", [READERS["fit --full"], READERS["compare --generated"]], ids=["fit", "compare"])
def test_too_few_showers(command, refused, files, tmp_path):
    write(tmp_path / "bad.hdf5", content(showers=VOXELS[:20], incident_energies=ENERGIES[:20]))
    refused("needs at least", *words(command, files, tmp_path))


GOOD_COMMANDS = {
    "fit": "squirels fit --fast {files}/fast.hdf5 --full {files}/full.hdf5 --out {out}",
    "compare": TWO,
}
every_folder = pytest.mark.parametrize("command", GOOD_COMMANDS.values(), ids=GOOD_COMMANDS.keys())


@every_folder
def test_an_output_folder_that_exists(command, refused, files, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    refused("out: output folder exists, expected a new one, or the option overwrite", *words(command, files, tmp_path))
    refused("out: folder was not made by hepjax", *words(command, files, tmp_path), "--overwrite")


@every_folder
def test_an_output_folder_that_is_a_file(command, refused, files, tmp_path):
    (tmp_path / "out").write_text("a file")
    refused("out: is a file, expected an output folder", *words(command, files, tmp_path))


@pytest.mark.parametrize(
    "extra, expected",
    [
        (["--overwrite", "--resume"], "overwrite and resume exclude each other"),
        (["--config.group", "0"], "group is 0, expected at least 1"),
        (["--config.shape-training.epochs", "0"], "epochs is 0; expected at least 1"),
        (["--config.net", "conv"], "net conv with coordinates quantile, expected zscore"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_options_that_do_not_go(extra, expected, refused, files, tmp_path):
    refused(expected, *words(GOOD_COMMANDS["fit"], files, tmp_path), *extra)


def refine(files, out, model=None):
    return "squirels", "refine", "--model", model or files / "run", "--fast", files / "test.hdf5", "--out", out


def test_an_output_file_that_exists(refused, run, files, tmp_path):
    (tmp_path / "out.hdf5").write_text("old")
    refused("out.hdf5: output file exists, expected a new name or the option", *refine(files, tmp_path / "out.hdf5"))
    assert run(*refine(files, tmp_path / "out.hdf5"), "--overwrite") == (0, "")
    assert len(showers.read(tmp_path / "out.hdf5")) == 128


def test_an_output_file_in_a_folder_that_does_not_exist(refused, files, tmp_path):
    refused("none/out.hdf5: no such folder", *refine(files, tmp_path / "none" / "out.hdf5"))


@pytest.mark.parametrize(
    "damage, expected",
    [
        (lambda model: shutil.rmtree(model), "checkpoint: no checkpoint here; expected a folder with config.json"),
        (lambda model: (model / "checkpoint" / "config.json").write_text("{"), "config.json: not a specification"),
        (lambda model: (model / "checkpoint" / "config.json").write_text('{"spec": 3}'), "holds another model"),
        (lambda model: shutil.rmtree(model / "checkpoint" / "arrays"), "arrays: damaged, or of another model"),
        (lambda model: _cut(model / "checkpoint" / "arrays"), "arrays: damaged, or of another model"),
    ],
    ids=["missing", "not JSON", "another model", "no arrays", "arrays cut"],
)
def test_a_model_that_is_missing_or_damaged(damage, expected, refused, files, tmp_path):
    shutil.copytree(files / "run", tmp_path / "model")
    damage(tmp_path / "model")
    refused(expected, *refine(files, tmp_path / "out.hdf5", model=tmp_path / "model"))


def _cut(arrays):
    """Halve every file of arrays, as an interrupted copy does."""
    for path in arrays.rglob("*"):
        if path.is_file():
            os.truncate(path, path.stat().st_size // 2)


def full_disk(monkeypatch):
    """Writing a text fails half way."""

    def fail(path, text, *args, **kwargs):
        with open(path, "wb") as file:
            file.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pathlib.Path.write_text", fail)


def test_a_full_disk_under_a_fit(refused, files, tmp_path, monkeypatch):
    full_disk(monkeypatch)
    refused("out: cannot be written (No space left on device)", *words(GOOD_COMMANDS["fit"], files, tmp_path))


def test_a_full_disk_under_refine(refused, files, tmp_path, small_files):
    small_files(5000)  # of some 9 kB
    refused("hdf5: cannot be written (File too large)", *refine(files, tmp_path / "out.hdf5"))
