"""Events to unfold, from one file or several, of any of the formats."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence

import numpy as np

from hepjax.data import addresses
from hepjax.data.addresses import Address
from hepjax.data.unfolding import defaults, from_energyflow, from_hdf5, from_tables
from hepjax.data.unfolding.checks import Where, check_events, check_rows, check_sums
from hepjax.data.unfolding.records import FLAGS, GEN, SIM, WEIGHT, Asked, Content, Level, Sample, numbers
from hepjax.types import InputError, Measured, Unfolded, Unfolding

Files = Where | Sequence[Where]
Names = Sequence[str] | None

FORMATS = {
    ".npz": from_energyflow.read,
    ".root": from_tables.read_root,
    ".parquet": from_tables.read_parquet,
}
"""Readers by the suffix of a file; any other is HDF5."""


def read(address: Files, gen: Names = None, reco: Names = None) -> Unfolding:
    """Read and check simulated events, paired by row, as float32 arrays of NumPy.

    address: of one file, of several in a list, or with wildcards; their events are taken one file after the other.
    gen, reco: the names of the columns to read, in the order asked for; by default `OBSERVABLES` where the file has
    them all, else all that it has. Without weights an event weighs one; without flags every event passes; of several
    files all have them, or none. Weights are float64, for their scale may be any.
    Raises InputError, one line with file, key and expectation, for whatever is wrong with a file or its content.
    """
    sample = read_sample(address, {GEN: gen, SIM: reco})
    truth, measured = sample.levels[GEN], sample.levels[SIM]
    return Unfolding(
        gen=truth.values,
        reco=measured.values,
        weight=sample.weight,
        pass_gen=truth.passed,
        pass_reco=measured.passed,
        gen_columns=truth.columns,
        reco_columns=measured.columns,
    )


def read_measured(address: Files, reco: Names = None) -> Measured:
    """Read and check events at detector level, as `read` does; those that fail `pass_reco` were not measured.

    Particle level is not looked at, and need not be there.
    """
    sample = read_sample(address, {SIM: reco})
    events = sample.levels[SIM]
    return Measured(events.values, sample.weight, events.columns)[events.passed]


def read_truth(address: Files, gen: Names = None) -> Unfolded:
    """Read and check events at particle level, as `read` does; without those that fail `pass_gen`.

    Detector level is not looked at, and need not be there: files of unfolded events have none.
    """
    sample = read_sample(address, {GEN: gen})
    events = sample.levels[GEN]
    passed = np.asarray(events.passed)
    return Unfolded(np.asarray(events.values)[passed], np.asarray(sample.weight)[passed], events.columns)


def read_sample(address: Files, asked: Asked) -> Sample:
    """The events of all files at the levels asked for, checked file by file and in total."""
    where, *others = _files(address)
    content, first = _read_one(where, asked)
    defaults.note_names(where, content, asked)
    asked = {level: [c.name for c in events.columns] for level, events in first.levels.items()}
    sample = _concatenate([first, *(_read_like(where, content, other, asked) for other in others)])
    check_sums(sample, where)
    return sample


def _files(address: Files) -> list[Address]:
    """The addresses of all files that are named, by wildcards too."""
    if isinstance(address, Sequence) and not isinstance(address, str | Address):
        found = [file for one in address for file in _files(one)]
    else:
        path, group = addresses.parse(address)
        names = [str(path)] if path.exists() or not glob.has_magic(str(path)) else sorted(glob.glob(str(path)))
        found = [Address(type(path)(name), group) for name in names]
    if not found:
        raise InputError(f"{address}: no such files, expected at least one")
    return found


def _read_one(address: Address, asked: Asked) -> tuple[Content, Sample]:
    """What a file has, and its events, with weights and flags in any case, all sound and paired by row."""
    content = FORMATS.get(address.path.suffix, from_hdf5.read)(address, asked)
    lengths = {key: len(np.atleast_1d(array)) for key, array in {**content.values, **content.extras}.items()}
    check_rows(lengths, address)
    sample = _complete(content, next(iter(lengths.values())), address)
    check_events(sample, address)
    return content, sample


def _read_like(where: Address, first: Content, address: Address, asked: Asked) -> Sample:
    """A further file, in the units of the first, with weights and flags where that has them."""
    content, sample = _read_one(address, asked)
    defaults.require_alike({where: first, address: content})
    for level, events in sample.levels.items():
        for found, expected in zip(events.columns, first.columns[level], strict=True):
            if found != expected:
                line = f"{expected.name} in units {found.unit!r}, expected {expected.unit!r} as in the first file"
                raise InputError(f"{address.key(level)}: {line}")
    return sample


def _complete(content: Content, rows: int, address: Address) -> Sample:
    weight = content.extras.get(WEIGHT, np.ones(rows))
    levels = {
        level: Level(values, content.columns[level], _flag(content.extras, FLAGS[level], rows, address))
        for level, values in content.values.items()
    }
    return Sample(levels, numbers(address.key(WEIGHT), weight).astype(np.float64))


def _flag(extras: Mapping[str, np.ndarray], key: str, rows: int, address: Address) -> np.ndarray:
    """A pass flag as booleans, which some formats keep as integers 0 and 1."""
    flag = extras.get(key, np.ones(rows, bool))
    if flag.dtype != bool and not (flag.dtype.kind in "iu" and np.isin(flag, (0, 1)).all()):
        raise InputError(f"{address.key(key)}: type {flag.dtype}, expected booleans, or integers that are all 0 or 1")
    return flag.astype(bool)


def _concatenate(samples: list[Sample]) -> Sample:
    levels = {
        level: Level(
            np.concatenate([sample.levels[level].values for sample in samples]),
            first.columns,
            np.concatenate([sample.levels[level].passed for sample in samples]),
        )
        for level, first in samples[0].levels.items()
    }
    return Sample(levels, np.concatenate([sample.weight for sample in samples]))
