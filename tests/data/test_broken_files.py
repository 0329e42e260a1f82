"""Files that look whole and are not, or hold something else: one clear line that names the cause."""

import fcntl
import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from hepjax.data import hdf5, showers, submission, unfolding
from hepjax.data.addresses import Address
from hepjax.types import InputError

ENERGIES, VOXELS = np.full((4, 1), 5e4, np.float32), np.ones((4, 100), np.float32)


def a_virtual(file, source, key="d", rows=4):
    """`showers` as a virtual data set, of which a source has some rows."""
    layout = h5py.VirtualLayout((4, 100), "f4")
    layout[:rows] = h5py.VirtualSource(str(source), key, (rows, 100))
    file.create_virtual_dataset("showers", layout)


def unknown_filter(file):
    created = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    created.set_chunk((4, 100))
    created.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, (3,))
    space = h5py.h5s.create_simple((4, 100))
    h5py.h5d.create(file.id, b"showers", h5py.h5t.IEEE_F32LE, space, created)


def source_beside(file, **of_data):
    """A file with the data set d, beside another one."""
    path = Path(file.filename).with_name("source.hdf5")
    with h5py.File(path, "w") as source:
        source.create_dataset("d", **of_data)
    return path.name


FAULTS = {
    "never written": (
        lambda f: f.create_dataset("showers", (4, 100), "f4"),
        "showers: never written, expected values",
    ),
    "no chunk": (
        lambda f: f.create_dataset("showers", (4, 100), "f4", chunks=(2, 100)),
        "showers: 2 of 2 chunks were never written, expected all",
    ),
    "chunks": (
        lambda f: f.create_dataset("showers", (4, 100), "f4", chunks=(1, 50)).__setitem__(slice(0, 3), 1),
        "showers: 2 of 8 chunks were never written",
    ),
    "no source": (
        lambda f: a_virtual(f, "gone.hdf5"),
        "showers: a virtual data set whose source gone.hdf5 is missing",
    ),
    "no key in the source": (
        lambda f: a_virtual(f, source_beside(f, data=VOXELS), "other"),
        "whose source source.hdf5:other is missing",
    ),
    "source never written": (
        lambda f: a_virtual(f, source_beside(f, shape=(4, 100), dtype="f4")),
        "whose source source.hdf5:d is never written",
    ),
    "part without source": (
        lambda f: a_virtual(f, source_beside(f, data=VOXELS[:3]), rows=3),
        "of which a part has no source",
    ),
    "null space": (
        lambda f: f.__setitem__("showers", h5py.Empty("f4")),
        "showers: empty (of HDF5's null space), expected numbers",
    ),
    "a group": (
        lambda f: f.create_group("showers"),
        "showers: is a group, expected a data set",
    ),
    "soft link": (
        lambda f: f.__setitem__("showers", h5py.SoftLink("/away/showers")),
        "showers: links to /away/showers, which is not there",
    ),
    "external link": (
        lambda f: f.__setitem__("showers", h5py.ExternalLink("gone.hdf5", "/showers")),
        "showers: links to /showers in gone.hdf5, which is not there",
    ),
    "no such filter": (
        unknown_filter,
        "showers: compressed by filter 32015, expected that filter installed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("make, expected", FAULTS.values(), ids=FAULTS)
def test_what_is_not_there_is_not_read_as_zeros(tmp_path, make, expected):
    path = tmp_path / "bad.hdf5"
    with h5py.File(path, "w") as file:
        file["incident_energies"] = ENERGIES
        make(file)
    for read in (showers.read, lambda path: hdf5.read(Address(path), ("showers",)), _submitted):
        with pytest.raises(InputError) as error:
            read(path)
        assert expected in str(error.value) and str(error.value).startswith(f"{path}:")
        assert "\n" not in str(error.value)


def _submitted(path):
    """The first fault that a check of a submission names."""
    checked = submission.check(path, "2")
    raise InputError(checked.faults[0])


def test_virtual_and_external_data_that_are_there(tmp_path):
    """Beside the file, in the file itself, and through links."""
    path = tmp_path / "good.hdf5"
    with h5py.File(path, "w") as file:
        file["own/incident_energies"] = ENERGIES
        file["incident_energies"] = h5py.SoftLink("/own/incident_energies")
        a_virtual(file, source_beside(file, data=VOXELS, chunks=(1, 100)))
        file["linked"] = h5py.ExternalLink(path.name, "/")
        file["own/d"] = VOXELS
        a_virtual(file["own"], ".", "/own/d")
    for address in (path, f"{path}:linked", f"{path}:own"):
        np.testing.assert_array_equal(showers.read(address).voxels, VOXELS)


def test_an_address_of_a_data_set_or_of_a_broken_link(tmp_path):
    path = tmp_path / "f.hdf5"
    with h5py.File(path, "w") as file:
        file["test/showers"], file["test/incident_energies"] = VOXELS, ENERGIES
        file["gone"] = h5py.SoftLink("/none")
    with pytest.raises(InputError, match="test/showers: is a data set, expected the group that holds"):
        showers.read(f"{path}:test/showers")
    with pytest.raises(InputError, match=r"f\.hdf5:gone/test: links to /none, which is not there, expected one with"):
        showers.read(f"{path}:gone/test")


def test_a_locked_file(tmp_path):
    path = tmp_path / "f.hdf5"
    with h5py.File(path, "w") as file:
        file["showers"], file["incident_energies"] = VOXELS, ENERGIES
    with open(path, "rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match=r"locked by a program that writes it\), expected a file that is closed"):
            showers.read(path)
    assert len(showers.read(path)) == 4


@pytest.mark.parametrize("written", ["crystals_10x10", b"crystals_10x10", [b"crystals_10x10"], ["crystals_10x10"]])
def test_a_geometry_in_any_kind_of_text(tmp_path, written):
    path = tmp_path / "f.hdf5"
    with h5py.File(path, "w") as file:
        file["showers"], file["incident_energies"], file.attrs["geometry"] = VOXELS, ENERGIES, written
    assert showers.read(path).geometry.name == "crystals_10x10"


def test_a_geometry_that_is_none_or_several(tmp_path):
    path = tmp_path / "f.hdf5"
    with h5py.File(path, "w") as file:
        file["showers"], file["incident_energies"], file.attrs["geometry"] = VOXELS, ENERGIES, h5py.Empty("S1")
    assert showers.read(path).geometry.name == "crystals_10x10"
    with h5py.File(path, "a") as file:
        file.attrs["geometry"] = ["crystals_10x10", "atlas"]
    expected = r"attribute geometry: 2 texts \(crystals_10x10, atlas\), expected one"
    for read in (showers.read, lambda path: submission.check(path, "2")):
        with pytest.raises(InputError, match=expected):
            read(path)


def test_columns_without_a_name(tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file["gen"] = file["sim"] = np.ones((4, 2))
        file.attrs["columns"] = h5py.Empty("S1")
    with pytest.raises(InputError, match="columns without names, expected an attribute"):
        unfolding.read(tmp_path / "f.hdf5")


def test_long_lists_of_names_end_in_an_ellipsis(tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        for i in range(12):
            file[f"{i:02}/showers"] = VOXELS
    ending = r"\((found|in this file): 00, 01, 02, 03, 04, 05, 06, 07, \.\.\. \(12 in all\)\)$"
    with pytest.raises(InputError, match=ending):
        showers.read(tmp_path / "f.hdf5")
    with pytest.raises(InputError, match=ending):
        showers.read_voxels(f"{tmp_path / 'f.hdf5'}:test", "crystals_10x10")


def test_a_truncated_file_names_the_cause(tmp_path):
    path = tmp_path / "f.hdf5"
    with h5py.File(path, "w") as file:
        file["showers"], file["incident_energies"] = VOXELS, ENERGIES
    os.truncate(path, 1500)
    with pytest.raises(InputError, match=r"cannot be read \(truncated file.*\), expected a whole HDF5 file$"):
        showers.read(path)
