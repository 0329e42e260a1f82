"""The formats of unfolded events: HDF5, and parquet (with the extra `tables`).

HDF5: the data sets `gen` (N, d) with the attributes `columns` and `units`, `weight` (N,), and `weight_replicas` (r, N)
where there are replicas; metadata are attributes of the file, in JSON (as bytes) what is neither text nor number.
Parquet: the columns `gen_<name>`, `weight`, and `weight_replicas` (r numbers an event); metadata are JSON, under the
name of the schema in the metadata of the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from hepjax.data import hdf5
from hepjax.data.addresses import Address
from hepjax.data.unfolding import schema
from hepjax.data.unfolding.records import GEN, WEIGHT, decoded, missing_extra, opened
from hepjax.files import atomic_write
from hepjax.types import InputError

REPLICAS = "weight_replicas"
_ROWS_A_CHUNK = 4096


class Stored(NamedTuple):
    """What a file holds: gen (n, d) unless it is of weights alone, weight (n,), replicas (r, n) or None, metadata."""

    gen: np.ndarray | None
    weight: np.ndarray
    replicas: np.ndarray | None
    metadata: Mapping[str, Any]


class Store(NamedTuple):
    """A format: functions that write a new file, whole or absent, and read one; both raise InputError."""

    write: Callable[[Path, Stored], None]
    read: Callable[[Path], Stored]


def _write_hdf5(path: Path, stored: Stored) -> None:
    with hdf5.create(path) as file:
        for key, value in stored.metadata.items():
            _set_attribute(file, key, value, path)
        for key, array in {GEN: stored.gen, WEIGHT: stored.weight, REPLICAS: stored.replicas}.items():
            if array is not None:
                chunks = tuple(min(n, _ROWS_A_CHUNK) for n in array.shape)
                file.create_dataset(key, data=array, chunks=chunks, compression="gzip", shuffle=True)
        if stored.gen is not None:
            columns = schema.columns_of(stored.metadata)
            file[GEN].attrs.update(columns=[c.name for c in columns], units=[c.unit for c in columns])


def _set_attribute(file: h5py.File, key: str, value: Any, path: Path) -> None:
    """Keep texts and numbers of 64 bits as such; JSON, for other values, is told from a text by its type, bytes."""
    native = isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 2**63)
    try:
        file.attrs[key] = value if native else np.bytes_(json.dumps(value))
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: metadata {key} too long for HDF5, expected a list or mapping below 64 kB") from error


def _read_hdf5(path: Path) -> Stored:
    found = hdf5.read(Address(path), (WEIGHT,), (GEN, REPLICAS))
    schema.require_known(found.attributes, path)
    metadata = {key: _value(attribute) for key, attribute in found.attributes.items()}
    return Stored(found.arrays.get(GEN), found.arrays[WEIGHT], found.arrays.get(REPLICAS), metadata)


def _value(attribute: Any) -> Any:
    if isinstance(attribute, bytes):
        return json.loads(attribute)
    return attribute.item() if isinstance(attribute, np.generic) else attribute


def _write_parquet(path: Path, stored: Stored) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ModuleNotFoundError as error:
        raise missing_extra(error, path, "a parquet file") from error

    arrays, fields = [], []
    if stored.gen is not None:
        for column, values in zip(schema.columns_of(stored.metadata), stored.gen.T, strict=True):
            arrays.append(pa.array(np.ascontiguousarray(values)))
            fields.append(pa.field(f"{GEN}_{column.name}", arrays[-1].type, metadata={"unit": column.unit}))
    arrays.append(pa.array(stored.weight))
    fields.append(pa.field(WEIGHT, arrays[-1].type))
    if stored.replicas is not None:
        arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(stored.replicas.T.ravel()), len(stored.replicas)))
        fields.append(pa.field(REPLICAS, arrays[-1].type))
    table = pa.table(arrays, pa.schema(fields, {schema.NAME: json.dumps(stored.metadata)}))
    try:
        with atomic_write(path) as temporary:
            pq.write_table(table, temporary)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error


def _read_parquet(path: Path) -> Stored:
    with opened(Address(path), expected := "a parquet file of unfolded events"):
        import pyarrow.parquet as pq

        with decoded(Address(path), expected):
            table = pq.ParquetFile(path).read()
        metadata = json.loads((table.schema.metadata or {}).get(schema.NAME.encode(), b"{}"))
        schema.require_known(metadata, path)
        if table.column_names.count(WEIGHT) != 1:
            raise InputError(f"{path}:{WEIGHT}: {table.column_names.count(WEIGHT)} columns of this name, expected one")
        names = [f"{GEN}_{column.name}" for column in schema.columns_of(metadata)]
        found = set(names) <= set(table.column_names)
        gen = np.stack([table[name].to_numpy() for name in names], axis=-1) if found else None
        replicas = None
        if REPLICAS in table.column_names:
            flat = table[REPLICAS].combine_chunks().flatten().to_numpy()
            replicas = np.ascontiguousarray(flat.reshape(len(table), -1).T)
        return Stored(gen, table[WEIGHT].to_numpy(), replicas, metadata)


STORES = {
    ".hdf5": Store(_write_hdf5, _read_hdf5),
    ".h5": Store(_write_hdf5, _read_hdf5),
    ".parquet": Store(_write_parquet, _read_parquet),
}
"""The formats by the suffix of a file."""
