"""Unfolded events, or their weights alone, as files to publish: HDF5 or parquet, with versioned metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hepjax.data import hdf5
from hepjax.data.addresses import Address
from hepjax.data.unfolding import schema
from hepjax.data.unfolding.checks import check_events, check_sums
from hepjax.data.unfolding.reading import Files, read_sample
from hepjax.data.unfolding.records import GEN, WEIGHT, Level, Sample
from hepjax.data.unfolding.stores import REPLICAS, STORES, Store, Stored
from hepjax.types import Column, InputError, Unfolded

Name = str | os.PathLike[str]


def write(path: Name, unfolded: Unfolded, metadata: Mapping[str, Any], *, weights_only: bool = False) -> None:
    """Write unfolded events with their metadata as one new file that is whole or absent; the suffix tells the format.

    metadata: `method` (text), `selection` (text: the particle-level phase space), `seed` (integer or None); with
    replicas `replicas_kind` (text: what they vary); optional `systematics` (list) and `software` (mapping); whatever
    else JSON can hold. Observables, units and numbers are added. weights_only: leave out the events, which are those of
    a simulation that others have, in its order. Raises InputError, one line, for what would not be read back.
    """
    path = Path(path)
    store = _store(path)
    check_unfolded(unfolded, path)
    stored = Stored(
        gen=None if weights_only else np.asarray(unfolded.gen),
        weight=np.asarray(unfolded.weight),
        replicas=None if unfolded.replicas is None else np.asarray(unfolded.replicas),
        metadata=schema.complete(metadata, unfolded, path),
    )
    store.write(path, stored)


def read_unfolded(path: Name, simulation: Files | None = None) -> tuple[Unfolded, dict[str, Any]]:
    """Read what `write` wrote: the unfolded events, of NumPy arrays in the type they were written in, and the metadata.

    simulation: where the events are that a file of weights alone refers to: all of its events, or those of them that
    pass `pass_gen`. They must be the very same, value for value. Raises InputError, one line, for a file of another
    schema or version, and for whatever is wrong with its content.
    """
    path = Path(path)
    stored = _store(path).read(path)
    metadata = dict(stored.metadata)
    gen = _refer(path, metadata, simulation) if stored.gen is None else stored.gen
    unfolded = Unfolded(gen, stored.weight, schema.columns_of(metadata), stored.replicas)
    check_unfolded(unfolded, path)
    return unfolded, metadata


def write_part(path: Path, unfolded: Unfolded) -> None:
    """Write some of the unfolded events, for `read_parts` alone, as one new file that is whole or absent."""
    with hdf5.create(path) as file:
        file[GEN], file[WEIGHT] = np.asarray(unfolded.gen), np.asarray(unfolded.weight)
        if unfolded.replicas is not None:
            file[REPLICAS] = np.asarray(unfolded.replicas)


def read_parts(parts: Sequence[Path], columns: tuple[Column, ...]) -> Unfolded:
    """Read the events of all parts, one after the other."""
    read = []
    for address in map(Address, parts):
        with hdf5.opened(address, (GEN, WEIGHT)) as group, hdf5.readable(address):
            replicas = np.asarray(group[REPLICAS]) if REPLICAS in group else None
            read.append((np.asarray(group[GEN]), np.asarray(group[WEIGHT]), replicas))
    gen, weight, replicas = zip(*read, strict=True)
    every = None if replicas[0] is None else np.concatenate(replicas, axis=1)
    return Unfolded(np.concatenate(gen), np.concatenate(weight), columns, every)


def check_unfolded(unfolded: Unfolded, where: Name = "unfolded") -> None:
    """Raise InputError, named by `where`, unless events and weights are finite and paired, with a sum above zero."""
    address = Address(Path(where))
    events = Level(unfolded.gen, unfolded.columns, np.ones(len(unfolded), bool))
    sample = Sample({GEN: events}, unfolded.weight)
    check_events(sample, address)
    check_sums(sample, address)
    if unfolded.replicas is not None:
        replicas = np.asarray(unfolded.replicas)
        if replicas.ndim != 2 or replicas.shape[1] != len(unfolded):
            expected = f"(replicas, {len(unfolded)})"
            raise InputError(f"{address.key(REPLICAS)}: shape {replicas.shape}, expected {expected}")
        if not np.isfinite(replicas).all():
            row, event = np.argwhere(~np.isfinite(replicas))[0]
            expected = "finite weights"
            raise InputError(f"{address.key(REPLICAS)}: {replicas[row, event]} in replica {row}, expected {expected}")


def require_format(path: Name) -> None:
    """Raise InputError unless the suffix of a file is one that can be written: before the work, not after it."""
    _store(Path(path))


def _store(path: Path) -> Store:
    """The format that the suffix of a file tells."""
    if path.suffix not in STORES:
        raise InputError(f"{path}: suffix {path.suffix or 'none'}, expected one of {', '.join(STORES)}")
    return STORES[path.suffix]


def _refer(path: Path, metadata: Mapping[str, Any], simulation: Files | None) -> np.ndarray:
    """The events of a simulation that weights alone refer to, found by their fingerprint."""
    names = [column.name for column in schema.columns_of(metadata)]
    if simulation is None:
        expected = f"the simulation with the {metadata['events']} events that they belong to"
        raise InputError(f"{path}: holds weights alone, expected {expected} ({', '.join(names)})")
    events = read_sample(simulation, {GEN: names}).levels[GEN]
    values = np.asarray(events.values)
    for candidate in (values, values[np.asarray(events.passed)]):
        if len(candidate) == metadata["events"] and schema.fingerprint(candidate) == metadata["events_sha256"]:
            return candidate
    expected = f"the {metadata['events']} events that they belong to, in their order"
    raise InputError(f"{path}: weights do not belong to the {len(values)} events of {simulation}, expected {expected}")
