"""Calorimeter showers in the HDF5 layout of the CaloChallenge (arXiv:2410.21611).

A group holds `incident_energies` (N, 1) and `showers` (N, voxels), in MeV; its attribute `geometry` names the
voxels. Nothing is repaired: a file that breaks the layout or the physics is refused with one line.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping

import h5py
import numpy as np
from jaxtyping import Float

from hepjax import devices
from hepjax.data import addresses, hdf5
from hepjax.data import geometry as geometries
from hepjax.data.addresses import Address
from hepjax.types import Geometry, InputError, Showers

ENERGIES = "incident_energies"
VOXELS = "showers"
_ROWS_A_CHUNK = 512

Where = str | os.PathLike[str] | Address


def read(address: Where, geometry: str | Geometry | None = None) -> Showers:
    """Read and check the showers of a group, as float32 arrays of NumPy in MeV.

    The geometry is the one given, else the one the file names, else the known one with as many voxels.
    In a block of `devices.together` each process reads its share of the showers, and all get everything.
    Raises InputError, one line with file, key and expectation, for whatever is wrong with the file or its content.
    """
    with opened(address, geometry) as stored:
        voxels = devices.rows(stored.voxels.__getitem__, len(stored))
        return Showers(devices.rows(stored.energies.__getitem__, len(stored)), voxels, stored.geometry)


@contextlib.contextmanager
def opened(address: Where, geometry: str | Geometry | None = None) -> Iterator[Stored]:
    """Give the showers of a group to a block that reads them in slices, for files larger than memory.

    Raises InputError as `read` does: at once for keys, shapes and the geometry, for values when they are read.
    """
    with _opened(address, (ENERGIES, VOXELS)) as (energies, voxels):
        geometry = _geometry_of(voxels, geometry)
        if len(energies) != len(voxels):
            where = f"{voxels.address}: {len(energies)} {ENERGIES}"
            raise InputError(f"{where} but {len(voxels)} {VOXELS}, expected as many")
        yield Stored(energies, voxels, geometry)


@contextlib.contextmanager
def opened_voxels(address: Where, geometry: str | Geometry) -> Iterator[Values]:
    """`opened` of the cells alone: incident energies are not looked at."""
    with _opened(address, (VOXELS,)) as (voxels,):
        _geometry_of(voxels, geometry)
        yield voxels


@contextlib.contextmanager
def opened_energies(address: Where) -> Iterator[Values]:
    """`opened` of the incident energies alone, as (n,)."""
    with _opened(address, (ENERGIES,)) as (energies,):
        if len(energies) == 0:
            raise InputError(f"{energies.address.key(ENERGIES)}: zero energies, expected at least one")
        yield energies


@dataclasses.dataclass(frozen=True)
class Values:
    """Incident energies or cells of an open file: `len`, and slices that read them."""

    address: Address
    key: str
    data: h5py.Dataset

    def __len__(self) -> int:
        return self.data.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Read and check values, float32 MeV; raises InputError for what is not physical."""
        with hdf5.readable(self.address):
            values = self.data[rows]
        values, first = _float32(values, self.address, self.key), rows.indices(len(self))[0]
        if self.key == ENERGIES:
            values = _column(values)
            _check_energies(values, self.address, first)
        else:
            _check_cells(values, self.address, first)
        return values


@dataclasses.dataclass(frozen=True)
class Stored:
    """Showers of an open file: `len` and `geometry` as those of `Showers`, and slices that read it."""

    energies: Values
    voxels: Values
    geometry: Geometry

    def __len__(self) -> int:
        return len(self.voxels)

    @property
    def nbytes(self) -> int:
        """What all showers take in memory."""
        return 4 * len(self) * (1 + self.geometry.voxels)

    @property
    def rows_a_chunk(self) -> int:
        """Showers that the file compresses together, so that reading one is reading all; 1 without compression."""
        return (self.voxels.data.chunks or (1,))[0]

    def __getitem__(self, rows: slice) -> Showers:
        """Read and check showers, float32 MeV; raises InputError for what is not physical."""
        voxels = self.voxels[rows]
        return Showers(self.energies[rows], voxels, self.geometry)


def read_voxels(address: Where, geometry: str | Geometry) -> Float[np.ndarray, "n v"]:
    """Read and check the cells alone of a group of showers, float32 MeV; incident energies are not looked at.

    Raises InputError as `read` does.
    """
    with opened_voxels(address, geometry) as voxels:
        return voxels[:]


def read_energies(address: Where) -> Float[np.ndarray, " n"]:
    """Read and check the incident energies alone of a group, float32 MeV; raises InputError as `read` does."""
    with opened_energies(address) as energies:
        return energies[:]


def write(address: Where, showers: Showers | Mapping[str, Showers], attrs: Mapping[str, object] | None = None) -> None:
    """Write showers, or a mapping of group names to showers, as one new file that is whole or absent.

    Energies are stored as float32 MeV, `attrs` as attributes of the file. A file of that name is replaced.
    Raises InputError when the showers would not be read back (NaN, negative energy ...) or the file cannot be written.
    """
    address = addresses.parse(address)
    groups = showers if isinstance(showers, Mapping) else {"": showers}
    with hdf5.create(address.path) as file:
        file.attrs.update(attrs or {})
        for name, part in groups.items():
            where = Address(address.path, "/".join(filter(None, (address.group, name))))
            _fill(file.require_group(where.group or "/"), part, where)


def check(showers: Showers, where: Where = "showers") -> None:
    """Raise InputError, named by `where`, unless the showers are consistent and physical.

    Physical: at least one shower, finite voxels that are not negative, incident energies finite and above zero.
    """
    where = addresses.parse(where)
    energies, voxels = np.asarray(showers.incident_energy), np.asarray(showers.voxels)
    check_voxels(voxels, showers.geometry, where)
    if energies.ndim == 1 and len(voxels) != len(energies):
        raise InputError(f"{where}: {len(energies)} {ENERGIES} but {len(voxels)} {VOXELS}, expected as many")
    check_energies(energies, where)


def check_energies(energies: np.ndarray, where: Where = "showers") -> None:
    """Raise InputError, named by `where`, unless incident energies (n,) are finite and above zero."""
    _check_energies(energies, addresses.parse(where))


def check_voxels(voxels: np.ndarray, geometry: Geometry, where: Where = "showers") -> None:
    """Raise InputError, named by `where`, unless there are showers of the geometry with physical cells, as `check`."""
    where = addresses.parse(where)
    check_shape(voxels.shape, geometry, where)
    _check_cells(voxels, where)


def check_shape(shape: tuple[int, ...], geometry: Geometry, where: Where = "showers") -> None:
    """Raise InputError, named by `where`, unless voxels of this shape are one or more showers of the geometry."""
    where = addresses.parse(where)
    _check_axes(shape, where)
    if shape[0] == 0:
        raise InputError(f"{where.key(VOXELS)}: zero showers, expected at least one")
    if shape[1] != geometry.voxels:
        expected = f"{geometry.voxels} for geometry {geometry.name}"
        raise InputError(f"{where.key(VOXELS)}: {shape[1]} voxels a shower, expected {expected}")


@contextlib.contextmanager
def _opened(address: Where, keys: tuple[str, ...]) -> Iterator[tuple[Values, ...]]:
    """The data sets of an open group; raises InputError for keys that are missing, and for energies of other axes."""
    address = addresses.parse(address)
    with hdf5.opened(address, keys) as group:
        found = tuple(Values(address, key, hdf5.dataset(group, address, key, keys)) for key in keys)
        for values in found:
            if values.key == ENERGIES and len(values.data.shape) != 1 and values.data.shape[1:] != (1,):
                raise InputError(f"{address.key(ENERGIES)}: shape {values.data.shape}, expected (showers, 1)")
        yield found


def _column(energies: np.ndarray) -> np.ndarray:
    return energies[:, 0] if energies.ndim == 2 and energies.shape[1] == 1 else energies


def _geometry_of(voxels: Values, given: str | Geometry | None) -> Geometry:
    """The geometry of cells in a file; raises InputError where their shape is of another."""
    shape, group = voxels.data.shape, voxels.data.parent
    _check_axes(shape, voxels.address)
    written = {**group.file.attrs, **group.attrs}.get("geometry")
    geometry = _geometry(voxels.address, given, hdf5.text(written, f"{voxels.address}: attribute geometry"), shape[1])
    check_shape(shape, geometry, voxels.address)
    return geometry


def _float32(data: np.ndarray, address: Address, key: str) -> np.ndarray:
    if data.dtype.kind not in "fiu":
        raise InputError(f"{address.key(key)}: type {data.dtype}, expected numbers (energies in MeV)")
    with np.errstate(over="ignore"):  # what overflows float32 becomes infinite, and the check says so
        return data.astype(np.float32, copy=False)


def _check_axes(shape: tuple[int, ...], where: Address) -> None:
    if len(shape) != 2:
        raise InputError(f"{where.key(VOXELS)}: shape {shape}, expected (showers, voxels)")


def _check_energies(energies: np.ndarray, where: Address, first: int = 0) -> None:
    if energies.ndim != 1:
        raise InputError(f"{where.key(ENERGIES)}: shape {energies.shape}, expected (showers, 1)")
    _check_values(where.key(ENERGIES), energies, "above zero", energies > 0, first)


def _check_cells(voxels: np.ndarray, where: Address, first: int = 0) -> None:
    _check_values(where.key(VOXELS), voxels, "zero or above", voxels >= 0, first)


def _check_values(key: str, values: np.ndarray, expected: str, good: np.ndarray, first: int) -> None:
    """Point to the first energy that is not finite or not in range (`good` is false for NaN); rows count from first."""
    bad = ~(good & np.isfinite(values))
    if bad.any():
        index = np.unravel_index(np.argmax(bad), bad.shape)
        raise InputError(f"{key}: {values[index]} MeV in row {first + index[0]}, expected finite energies {expected}")


def _geometry(address: Address, given: str | Geometry | None, written: str, voxels: int) -> Geometry:
    name = given.name if isinstance(given, Geometry) else given
    if name and written and name != written:
        raise InputError(f"{address}: geometry {written}, expected {name}")
    if isinstance(given, Geometry):
        return given
    name = name or written
    try:
        return geometries.named(name) if name else geometries.infer(voxels)
    except InputError as error:
        raise InputError(f"{address}: {error}") from None


def _fill(group: h5py.Group, showers: Showers, where: Address) -> None:
    with np.errstate(over="ignore"):
        energies = np.asarray(showers.incident_energy, dtype=np.float32)
        voxels = np.asarray(showers.voxels, dtype=np.float32)
    check(Showers(energies, voxels, showers.geometry), where)
    group.attrs["geometry"] = showers.geometry.name
    for key, data in ((ENERGIES, energies[:, None]), (VOXELS, voxels)):
        chunks = (min(len(data), _ROWS_A_CHUNK), data.shape[1])
        group.create_dataset(key, data=data, chunks=chunks, compression="gzip", shuffle=True)
