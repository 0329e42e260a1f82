"""One file of events in whatever format: the levels asked for, with columns selected by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hepjax.data import hdf5
from hepjax.data.addresses import Address
from hepjax.data.unfolding.columns import column, select
from hepjax.types import Column, InputError

GEN, SIM, WEIGHT = "gen", "sim", "weight"
FLAGS = {GEN: "pass_gen", SIM: "pass_reco"}

Asked = Mapping[str, Sequence[str] | None]
"""A level (`GEN`, `SIM`), and the names of its columns to read; None for the default ones."""


class Source(NamedTuple):
    """What was read of one file.

    values: level -> (n, d) float32. columns: level -> d of them. extras: those of `weight`, `pass_gen` and `pass_reco`
    that the file has, (n,) each.
    """

    values: Mapping[str, np.ndarray]
    columns: Mapping[str, tuple[Column, ...]]
    extras: Mapping[str, np.ndarray]


def read_hdf5(address: Address, asked: Asked) -> Source:
    """Read data sets of two axes named as the levels, whose columns an attribute names; see `hdf5.read` for errors."""
    content = hdf5.read(address, tuple(asked), (WEIGHT, *(FLAGS[level] for level in asked)))
    values, columns = {}, {}
    for level, names in asked.items():
        where, table = address.key(level), content.arrays[level]
        found = _columns(where, table, content.attributes_of[level])
        columns[level] = select(found, names, where)
        values[level] = float32(where, table[:, [found.index(c) for c in columns[level]]])
    extras = {key: array for key, array in content.arrays.items() if key not in asked}
    return Source(values, columns, extras)


def float32(where: str, values: np.ndarray) -> np.ndarray:
    """Numbers as float32; raises InputError for other types. What overflows becomes infinite."""
    if values.dtype.kind not in "fiu":
        raise InputError(f"{where}: type {values.dtype}, expected numbers")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _columns(where: str, table: np.ndarray, attributes: Mapping[str, Any]) -> list[Column]:
    """The columns that the attributes `columns` and, where there is one, `units` tell of."""
    if table.ndim != 2:
        raise InputError(f"{where}: shape {table.shape}, expected (events, columns)")
    names = _texts(attributes.get("columns", ()))
    if len(names) != table.shape[1] or len(set(names)) != len(names):
        expected = f"an attribute `columns` with {table.shape[1]} different names, one a column"
        raise InputError(f"{where}: columns {', '.join(names) or 'without names'}, expected {expected}")
    units = _texts(attributes["units"]) if "units" in attributes else [None] * len(names)
    if len(units) != len(names):
        raise InputError(f"{where}: {len(units)} units, expected one for each of {len(names)} columns")
    return [column(name, unit) for name, unit in zip(names, units, strict=True)]


def _texts(attribute: Any) -> list[str]:
    """A list of strings from an attribute, which HDF5 may keep as bytes."""
    return [t.decode(errors="replace") if isinstance(t, bytes) else str(t) for t in np.atleast_1d(attribute)]
