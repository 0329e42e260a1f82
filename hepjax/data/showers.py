"""Calorimeter showers in the HDF5 layout of the CaloChallenge (arXiv:2410.21611).

A group holds `incident_energies` (N, 1) and `showers` (N, voxels), in MeV; its attribute `geometry` names the
voxels. Nothing is repaired: a file that breaks the layout or the physics is refused with one line.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from hepjax.data import addresses
from hepjax.data import geometry as geometries
from hepjax.data.addresses import Address
from hepjax.files import atomic_write
from hepjax.types import Geometry, InputError, Showers

ENERGIES = "incident_energies"
VOXELS = "showers"
_ROWS_A_CHUNK = 512

Where = str | os.PathLike[str] | Address


def read(address: Where, geometry: str | Geometry | None = None) -> Showers:
    """Read and check the showers of a group, as float32 arrays of NumPy in MeV.

    The geometry is the one given, else the one the file names, else the known one with as many voxels.
    Raises InputError, one line with file, key and expectation, for whatever is wrong with the file or its content.
    """
    address = addresses.parse(address)
    _require_hdf5(address.path)
    try:
        with h5py.File(address.path, "r") as file:
            group = _group(file, address)
            energies, voxels = (_array(group, address, key) for key in (ENERGIES, VOXELS))
            written = _written_geometry(group)
    except OSError as error:
        raise InputError(f"{address}: cannot be read, expected a whole HDF5 file ({_reason(error)})") from error
    if energies.ndim == 2 and energies.shape[1] == 1:
        energies = energies[:, 0]
    _check_shapes(address, energies, voxels)
    showers = Showers(energies, voxels, _geometry(address, geometry, written, voxels.shape[1]))
    check(showers, address)
    return showers


def write(address: Where, showers: Showers | Mapping[str, Showers], attrs: Mapping[str, object] | None = None) -> None:
    """Write showers, or a mapping of group names to showers, as one new file that is whole or absent.

    Energies are stored as float32 MeV, `attrs` as attributes of the file. A file of that name is replaced.
    Raises InputError when the showers would not be read back (NaN, negative energy ...) or the file cannot be written.
    """
    address = addresses.parse(address)
    groups = showers if isinstance(showers, Mapping) else {"": showers}
    # The image is made in memory, since HDF5 cannot recover from a disk that fills up under an open file.
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        file.attrs.update(attrs or {})
        for name, part in groups.items():
            where = Address(address.path, "/".join(filter(None, (address.group, name))))
            _fill(file.require_group(where.group or "/"), part, where)
    try:
        with atomic_write(address.path) as temporary:
            temporary.write_bytes(image.getbuffer())
    except OSError as error:
        raise InputError(f"{address.path}: cannot be written ({_reason(error)})") from error


def check(showers: Showers, where: Where = "showers") -> None:
    """Raise InputError, named by `where`, unless the showers are consistent and physical.

    Physical: at least one shower, finite voxels that are not negative, incident energies finite and above zero.
    """
    where = addresses.parse(where)
    energies, voxels = np.asarray(showers.incident_energy), np.asarray(showers.voxels)
    _check_shapes(where, energies, voxels)
    if voxels.shape[1] != showers.geometry.voxels:
        expected = f"{showers.geometry.voxels} for geometry {showers.geometry.name}"
        raise InputError(f"{where.key(VOXELS)}: {voxels.shape[1]} voxels a shower, expected {expected}")
    _check_values(where.key(ENERGIES), energies, "above zero", energies > 0)
    _check_values(where.key(VOXELS), voxels, "zero or above", voxels >= 0)


def _check_shapes(where: Address, energies: np.ndarray, voxels: np.ndarray) -> None:
    if energies.ndim != 1:
        raise InputError(f"{where.key(ENERGIES)}: shape {energies.shape}, expected (showers, 1)")
    if voxels.ndim != 2:
        raise InputError(f"{where.key(VOXELS)}: shape {voxels.shape}, expected (showers, voxels)")
    if len(voxels) != len(energies):
        raise InputError(f"{where}: {len(energies)} {ENERGIES} but {len(voxels)} {VOXELS}, expected as many")
    if len(voxels) == 0:
        raise InputError(f"{where.key(VOXELS)}: zero showers, expected at least one")


def _check_values(key: str, values: np.ndarray, expected: str, good: np.ndarray) -> None:
    """Point to the first energy that is not finite or not in range (`good` is false for NaN)."""
    bad = ~(good & np.isfinite(values))
    if bad.any():
        index = np.unravel_index(np.argmax(bad), bad.shape)
        raise InputError(f"{key}: {values[index]} MeV in row {index[0]}, expected finite energies {expected}")


def _require_hdf5(path: Path) -> None:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected an HDF5 file")
    if not path.exists():
        raise InputError(f"{path}: no such file, expected an HDF5 file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: not readable, expected an HDF5 file with read permission")
    if not h5py.is_hdf5(path):
        raise InputError(f"{path}: not an HDF5 file, expected one with {ENERGIES} and {VOXELS}")


def _group(file: h5py.File, address: Address) -> h5py.Group:
    group = file.get(address.group) if address.group else file
    if isinstance(group, h5py.Group):
        return group
    found: list[str] = []
    file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Group) and VOXELS in item else None)
    known = ", ".join(found[:8]) or "none"
    raise InputError(f"{address}: no such group, expected one with {ENERGIES} and {VOXELS} (in this file: {known})")


def _array(group: h5py.Group, address: Address, key: str) -> np.ndarray:
    data = group.get(key)
    if not isinstance(data, h5py.Dataset):
        found = ", ".join(list(group)[:8]) or "nothing"
        raise InputError(f"{address.key(key)}: missing key {key}, expected {ENERGIES} and {VOXELS} (found: {found})")
    if data.dtype.kind not in "fiu":
        raise InputError(f"{address.key(key)}: type {data.dtype}, expected numbers (energies in MeV)")
    with np.errstate(over="ignore"):  # what overflows float32 becomes infinite, and the check says so
        return np.asarray(data[()]).astype(np.float32)


def _written_geometry(group: h5py.Group) -> str | None:
    """The attribute `geometry` of the group, or of the file."""
    for holder in (group, group.file):
        if "geometry" in holder.attrs:
            name = holder.attrs["geometry"]
            return name.decode(errors="replace") if isinstance(name, bytes) else str(name)
    return None


def _geometry(address: Address, given: str | Geometry | None, written: str | None, voxels: int) -> Geometry:
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


def _reason(error: OSError) -> str:
    """The system's words for an error, without HDF5's stack of functions."""
    return os.strerror(error.errno) if error.errno else str(error).split("(")[-1].rstrip(")")
