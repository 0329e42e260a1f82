"""Whether the values of an HDF5 data set are there: what was never written reads as zeros, without any error."""

from __future__ import annotations

import math
import os
from pathlib import Path

import h5py

from hepjax.data.names import listed


def fault(data: h5py.Dataset) -> str | None:
    """What is missing of a data set, in words; None of one that is whole, and can be decompressed."""
    if data.shape is None:
        return "empty (of HDF5's null space), expected numbers"
    created = data.id.get_create_plist()
    unknown = [_filter(created, i) for i in range(created.get_nfilters()) if not _available(created, i)]
    if unknown:
        return (
            f"compressed by {listed(unknown)}, expected that filter installed (for instance by: pip install hdf5plugin)"
        )
    if data.is_virtual:
        return _virtual_fault(data)
    if data.size and created.get_external_count() == 0:
        return _unwritten(data)
    return None


def _unwritten(data: h5py.Dataset) -> str | None:
    """Compact data are always there; contiguous ones get their place when they are written, and so does each chunk."""
    if data.chunks is None:
        return None if data.id.get_storage_size() else "never written, expected values"
    chunks = math.prod(-(-n // size) for n, size in zip(data.shape, data.chunks, strict=True))
    written = data.id.get_num_chunks()
    return f"{chunks - written} of {chunks} chunks were never written, expected all" if written < chunks else None


def _virtual_fault(data: h5py.Dataset) -> str | None:
    sources = data.virtual_sources()
    faults = (_source_fault(data, source.file_name, source.dset_name) for source in sources)
    found = next((fault for fault in faults if fault), None)
    if found is None and sum(source.vspace.get_select_npoints() for source in sources) < (data.size or 0):
        return "a virtual data set of which a part has no source, expected one for all values"
    return found


def _source_fault(data: h5py.Dataset, name: str, key: str) -> str | None:
    """What is wrong with one source of a virtual data set, which HDF5 looks for beside its file and here."""
    own = Path(data.file.filename)
    prefix = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", str(own.parent))
    places = [own] if name == "." else [Path(prefix, name), own.parent / name, Path(name)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        return f"a virtual data set whose source {name} is missing, expected that file too"
    with h5py.File(path, "r") as file:
        source = file.get(key)
        if not isinstance(source, h5py.Dataset):
            return f"a virtual data set whose source {name}:{key.strip('/')} is missing, expected it too"
        wrong = fault(source)
    return wrong and f"a virtual data set whose source {name}:{key.strip('/')} is {wrong}"


def _available(created: h5py.h5p.PropDCID, i: int) -> bool:
    return bool(h5py.h5z.filter_avail(created.get_filter(i)[0]))


def _filter(created: h5py.h5p.PropDCID, i: int) -> str:
    """The number of a filter, and its name where the file tells."""
    number, _, _, name = created.get_filter(i)
    return f"filter {number} ({name.decode(errors='replace')})" if name else f"filter {number}"
