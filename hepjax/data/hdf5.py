"""HDF5 files: read with one clear line for whatever is wrong with them, written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import h5py
import numpy as np

from hepjax import devices
from hepjax.data.addresses import Address, require_file
from hepjax.files import atomic_write
from hepjax.types import InputError

CHUNKS_KEPT_BYTES = 128 << 20
"""Memory for decompressed chunks of an open data set, so that slices of it read each chunk once."""


class Content(NamedTuple):
    """What was read of a group: its data sets by key, its attributes over those of the file, and theirs over both."""

    arrays: Mapping[str, np.ndarray]
    attributes: Mapping[str, Any]
    attributes_of: Mapping[str, Mapping[str, Any]]


def read(address: Address, keys: Sequence[str] = (), optional: Sequence[str] = ()) -> Content:
    """Read the data sets `keys` of a group, those of `optional` that it has, and no others; all when none is named.

    In a block of `devices.together` each process reads its share of the rows, and all get everything.
    Raises InputError, one line with file, key and expectation, for a file, group or key that is missing or broken.
    """
    with opened(address, keys) as group, readable(address):
        names = [*keys, *(key for key in optional if key in group)]
        names = names or [key for key, item in group.items() if isinstance(item, h5py.Dataset)]
        arrays = {key: _array(dataset(group, address, key, keys or names)) for key in names}
        attributes = {**group.file.attrs, **group.attrs}
        return Content(arrays, attributes, {key: {**attributes, **group[key].attrs} for key in names})


@contextlib.contextmanager
def opened(address: Address, keys: Sequence[str] = ()) -> Iterator[h5py.Group]:
    """Give an open group, which should have the data sets `keys`, to a block that reads it.

    Raises InputError for a file or group that is missing or broken.
    """
    require_file(address.path, "an HDF5 file")
    if not h5py.is_hdf5(address.path):
        raise InputError(f"{address.path}: not an HDF5 file, expected one with {_listed(keys)}")
    with readable(address):
        file = h5py.File(address.path, "r", rdcc_nbytes=CHUNKS_KEPT_BYTES)
    with file:
        yield _group(file, address, keys)


@contextlib.contextmanager
def readable(address: Address) -> Iterator[None]:
    """Turn an error of the system or of HDF5 in a block that reads into InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(f"{address}: cannot be read, expected a whole HDF5 file ({_reason(error)})") from error


def dataset(group: h5py.Group, address: Address, key: str, keys: Sequence[str]) -> h5py.Dataset:
    """A data set of an open group; raises InputError, which says that `keys` were expected, where there is none."""
    data = group.get(key)
    if not isinstance(data, h5py.Dataset):
        found = ", ".join(list(group)[:8]) or "nothing"
        raise InputError(f"{address.key(key)}: missing key {key}, expected {_listed(keys)} (found: {found})")
    return data


@contextlib.contextmanager
def create(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Give a new file to a block that fills it; `path` appears, or is replaced, when the block has succeeded.

    Raises InputError when the file cannot be written.
    """
    # The image is made in memory, since HDF5 cannot recover from a disk that fills up under an open file.
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        yield file
    try:
        with atomic_write(path) as temporary:
            temporary.write_bytes(image.getbuffer())
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({_reason(error)})") from error


def _array(data: h5py.Dataset) -> np.ndarray:
    return devices.rows(data.__getitem__, len(data)) if data.shape else np.asarray(data[()])


def _group(file: h5py.File, address: Address, keys: Sequence[str]) -> h5py.Group:
    group = file.get(address.group) if address.group else file
    if isinstance(group, h5py.Group):
        return group
    found: list[str] = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group) and all(key in item for key in keys):
            found.append(name)

    file.visititems(visit)
    known = ", ".join(found[:8]) or "none"
    raise InputError(f"{address}: no such group, expected one with {_listed(keys)} (in this file: {known})")


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(keys) or "data sets"


def _reason(error: OSError) -> str:
    """The system's words for an error, without HDF5's stack of functions."""
    return os.strerror(error.errno) if error.errno else str(error).split("(")[-1].rstrip(")")
