"""Parts of a table, joined to the file that would have been written at once; and a disk that fills up meanwhile."""

import resource

import h5py
import numpy as np
import pytest

from hepjax.data import geometry, hdf5, showers, tables
from hepjax.types import InputError, Showers

MADE = {"method": "of a test"}


def sample(n):
    rng = np.random.default_rng(0)
    voxels = rng.gamma(0.2, 50, size=(n, 12)).astype(np.float32)
    return Showers(rng.uniform(1e3, 1e4, n).astype(np.float32), voxels, geometry.named("crystals_3x4"))


def columns(n):
    return {"energy_mev": np.arange(n, dtype=np.float32), "converged": np.arange(n) % 3 == 0}


def write_showers(path, first, last):
    showers.write(path, sample(1600)[first:last], MADE)


def write_columns(path, first, last):
    taken = {name: column[first:] for name, column in columns(last).items()}
    tables.write(path, taken, {"energy_mev": "MeV"}, MADE)


def joined(folder, write, ends):
    """The path of parts that end at these rows, joined."""
    parts = [folder / f"{end}.hdf5" for end in ends]
    for part, first, last in zip(parts, (0, *ends), ends, strict=False):
        write(part, first, last)
    hdf5.join(folder / "joined.hdf5", parts, ends[-1])
    return folder / "joined.hdf5"


@pytest.mark.parametrize("write", [write_showers, write_columns])
@pytest.mark.parametrize("ends", [(1024, 1536, 1600), (600, 1600), (512, 1100, 1600), (1600,)], ids=str)
def test_parts_are_joined_to_the_whole(tmp_path, write, ends):
    """Whether HDF5's own chunks of 512 rows fit together or not."""
    write(tmp_path / "whole.hdf5", 0, 1600)
    with h5py.File(joined(tmp_path, write, ends)) as found, h5py.File(tmp_path / "whole.hdf5") as whole:
        assert dict(found.attrs) == dict(whole.attrs) and set(found) == set(whole)
        for key, like in whole.items():
            np.testing.assert_array_equal(found[key], like)
            assert dict(found[key].attrs) == dict(like.attrs)
            layout = ("shape", "dtype", "chunks", "compression", "shuffle", "maxshape")
            assert [getattr(found[key], name) for name in layout] == [getattr(like, name) for name in layout]


def test_a_broken_part_is_named(tmp_path):
    for number in (1, 2):
        write_showers(tmp_path / f"{number}.hdf5", 0, 600)
    (tmp_path / "2.hdf5").write_bytes((tmp_path / "1.hdf5").read_bytes()[:3000])
    with pytest.raises(InputError, match=r"2\.hdf5: cannot be read"):
        hdf5.join(tmp_path / "joined.hdf5", [tmp_path / "1.hdf5", tmp_path / "2.hdf5"], 1200)
    assert not (tmp_path / "joined.hdf5").exists()


@pytest.mark.parametrize("size", [100, 5000, 40_000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path, size):
    """No file grows beyond so many bytes, of some 60,000."""
    write_showers(tmp_path / "part.hdf5", 0, 1600)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.raises(InputError, match=r"joined\.hdf5: cannot be written \(File too large\)"):
            hdf5.join(tmp_path / "joined.hdf5", [tmp_path / "part.hdf5"], 1600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["part.hdf5"]
