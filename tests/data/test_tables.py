"""Tables of results: the round trip, units, and refusals that leave nothing behind."""

import h5py
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.data import tables
from hepjax.types import InputError


def test_round_trip_keeps_types_units_and_flags(tmp_path):
    columns = {"energy_mev": jnp.array([1e3, jnp.nan]), "converged": np.array([True, False])}
    tables.write(tmp_path / "t.hdf5", columns, {"energy_mev": "MeV"}, {"model": "runs/cal"})
    read = tables.read(tmp_path / "t.hdf5")
    assert read["converged"].dtype == bool and read["energy_mev"].dtype == np.float32
    np.testing.assert_array_equal(read["energy_mev"], [1e3, np.nan])
    np.testing.assert_array_equal(read["converged"], [True, False])
    with h5py.File(tmp_path / "t.hdf5") as file:
        assert file["energy_mev"].attrs["units"] == "MeV" and file.attrs["model"] == "runs/cal"
        assert not file["converged"].attrs


@pytest.mark.parametrize("other", [np.ones(3), np.ones((2, 1)), np.float32(1)])
def test_columns_must_have_one_length(tmp_path, other):
    with pytest.raises(InputError, match=r"t\.hdf5: columns of shapes .*, expected one shape \(rows,\)"):
        tables.write(tmp_path / "t.hdf5", {"a": np.ones(2), "b": other})
    assert not list(tmp_path.iterdir())


def test_folder_that_does_not_exist(tmp_path):
    with pytest.raises(InputError, match=r"t\.hdf5: cannot be written \(No such file or directory\)"):
        tables.write(tmp_path / "none" / "t.hdf5", {"score": np.ones(2)})


def test_missing_table(tmp_path):
    with pytest.raises(InputError, match=r"t\.hdf5: no such file, expected an HDF5 file"):
        tables.read(tmp_path / "t.hdf5")
