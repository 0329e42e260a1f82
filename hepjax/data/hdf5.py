"""HDF5 files: read with one clear line for whatever is wrong with them, written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from hepjax import devices
from hepjax.data import allocated
from hepjax.data.addresses import Address, require_file
from hepjax.data.names import listed
from hepjax.files import atomic_write
from hepjax.types import InputError

CHUNKS_KEPT_BYTES = 32 << 20
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
        if isinstance(error, BlockingIOError) or "already open for write" in str(error):
            reason = "locked by a program that writes it), expected a file that is closed"
        else:
            reason = f"{_reason(error)}), expected a whole HDF5 file"
        raise InputError(f"{address}: cannot be read ({reason}") from error


def dataset(group: h5py.Group, address: Address, key: str, keys: Sequence[str] = ()) -> h5py.Dataset:
    """A data set of an open group, all of whose values are there.

    Raises InputError, which says that `keys` were expected, where there is none, and where values were never written,
    are in another file that is missing, or cannot be decompressed.
    """
    data, where = group.get(key), address.key(key)
    if isinstance(data, h5py.Group):
        raise InputError(f"{where}: is a group, expected a data set")
    if not isinstance(data, h5py.Dataset):
        missing = _broken_link(group, key) or f"missing key {key}"
        raise InputError(f"{where}: {missing}, expected {_listed(keys)} (found: {listed(group, 'nothing')})")
    with readable(address):
        fault = allocated.fault(data)
    if fault:
        raise InputError(f"{where}: {fault}")
    return data


def texts(attribute: object) -> list[str]:
    """The texts of an attribute, which files keep as text, as bytes, or as an array of either; none of an empty one."""
    if attribute is None or isinstance(attribute, h5py.Empty):
        return []
    values = np.ravel(np.asarray(attribute)).tolist()
    return [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in values]


def text(attribute: object, where: str) -> str:
    """The one text of an attribute, "" of an empty one; raises InputError, named by `where`, for several."""
    found = texts(attribute)
    if len(found) > 1:
        raise InputError(f"{where}: {len(found)} texts ({listed(found)}), expected one")
    return "".join(found)


@contextlib.contextmanager
def create(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Give a new file to a block that fills it; `path` appears, or is replaced, when the block has succeeded.

    Raises InputError when the file cannot be written.
    """
    try:
        with atomic_write(path) as temporary, _Written(temporary, "w+") as target:
            with h5py.File(target, "w") as file:
                yield file
            if target.error is not None:
                raise target.error
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({_reason(error)})") from error


def _array(data: h5py.Dataset) -> np.ndarray:
    return devices.rows(data.__getitem__, len(data)) if data.shape else np.asarray(data[()])


def join(path: str | os.PathLike[str], parts: Sequence[Path], rows: int) -> None:
    """Join files of the same data sets, one after the other along the first axis, as one file that is whole or absent.

    rows: of all parts. The attributes are those of the first one. No part is in memory as a whole. Raises InputError
    when a part cannot be read, or the file not be written.
    """
    with create(path) as file:
        start, whole = 0, {}
        for address in map(Address, parts):
            with opened(address) as part, readable(address):
                columns = {str(key): dataset(part, address, str(key)) for key in part}
                if not start:
                    whole = _like(part, columns, file, rows)
                for key, column in columns.items():
                    _copy_rows(column, whole[key], start)
                start += len(next(iter(columns.values())))


class _Written(io.FileIO):
    """A file that keeps its first error, and pretends from then on to be written: HDF5 cannot recover from a disk that
    fills up under an open file, and is to close it in peace."""

    error: OSError | None = None

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size = len(left)
        while len(left) and self.error is None:
            with self._kept():
                left = left[super().write(left) :]
        return size

    def truncate(self, size: int | None = None) -> int:
        with self._kept():
            if self.error is None:
                super().truncate(size)
        return size or 0

    @contextlib.contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.error = error


def _like(part: h5py.Group, columns: Mapping[str, h5py.Dataset], file: h5py.File, rows: int) -> dict[str, h5py.Dataset]:
    """Make all attributes of a part, and its data sets, empty, of as many rows as all parts have."""
    file.attrs.update(part.attrs)
    made = {}
    for key, like in columns.items():
        made[key] = file.create_dataset_like(key, like, shape=(rows, *like.shape[1:]), track_times=False)
        made[key].attrs.update(like.attrs)
    return made


def _copy_rows(part: h5py.Dataset, whole: h5py.Dataset, start: int) -> None:
    """Copy a part to the rows from `start` on, without compressing it again where its chunks fit."""
    if part.chunks is None or part.chunks != whole.chunks or start % part.chunks[0]:
        whole[start : start + len(part)] = part[:]
        return
    for number in range(part.id.get_num_chunks()):
        first, *others = part.id.get_chunk_info(number).chunk_offset
        mask, data = part.id.read_direct_chunk((first, *others))
        whole.id.write_direct_chunk((start + first, *others), data, mask)


def _group(file: h5py.File, address: Address, keys: Sequence[str]) -> h5py.Group:
    group = file.get(address.group) if address.group else file
    if isinstance(group, h5py.Group):
        return group
    if isinstance(group, h5py.Dataset):
        raise InputError(f"{address}: is a data set, expected the group that holds {_listed(keys)}")
    found: list[str] = []

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Group) and all(key in item for key in keys):
            found.append(name)

    file.visititems(visit)
    missing = _broken_link(file, address.group) or "no such group"
    raise InputError(f"{address}: {missing}, expected one with {_listed(keys)} (in this file: {listed(found)})")


def _broken_link(group: h5py.Group, name: str) -> str | None:
    """What a name links to, in words, where nothing is found there: in this file, or in another."""
    parts = name.split("/")
    for end in range(1, len(parts) + 1):
        link = group.get("/".join(parts[:end]), getlink=True)
        if group.get("/".join(parts[:end])) is not None:
            continue
        if isinstance(link, h5py.ExternalLink):
            return f"links to {link.path} in {link.filename}, which is not there"
        if isinstance(link, h5py.SoftLink):
            return f"links to {link.path}, which is not there"
    return None


def _listed(keys: Sequence[str]) -> str:
    return " and ".join(keys) or "data sets"


def _reason(error: OSError) -> str:
    """The system's words for an error, without HDF5's stack of functions."""
    return os.strerror(error.errno) if error.errno else str(error).split("(")[-1].rstrip(")")
