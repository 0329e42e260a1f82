"""Events in HDF5: data sets of two axes named as the levels, whose columns an attribute names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from hepjax.data import hdf5
from hepjax.data.addresses import Address
from hepjax.data.names import listed
from hepjax.data.unfolding.columns import column, select
from hepjax.data.unfolding.records import Asked, Content, extras_of, float32
from hepjax.types import Column, InputError


def read(address: Address, asked: Asked) -> Content:
    """Read the columns asked for of a group; raises InputError as `hdf5.read` does, or where names are amiss."""
    found = hdf5.read(address, tuple(asked), extras_of(asked))
    values, columns = {}, {}
    for level, names in asked.items():
        where, table = address.key(level), found.arrays[level]
        available = columns_of(where, table, found.attributes_of[level])
        columns[level] = select(available, names, where)
        values[level] = float32(where, table[:, [available.index(c) for c in columns[level]]])
    with hdf5.opened(address) as group:
        there = list(group)
    return Content(values, columns, {key: array for key, array in found.arrays.items() if key not in asked}, there)


def columns_of(where: str, table: np.ndarray, attributes: Mapping[str, Any]) -> list[Column]:
    """The columns that the attributes `columns` and, where there is one, `units` tell of; raises InputError."""
    if table.ndim != 2:
        raise InputError(f"{where}: shape {table.shape}, expected (events, columns)")
    names = hdf5.texts(attributes.get("columns"))
    if len(names) != table.shape[1] or len(set(names)) != len(names):
        expected = f"an attribute `columns` with {table.shape[1]} different names, one a column"
        raise InputError(f"{where}: columns {listed(names, 'without names')}, expected {expected}")
    units = hdf5.texts(attributes["units"]) if "units" in attributes else [None] * len(names)
    if len(units) != len(names):
        raise InputError(f"{where}: {len(units)} units, expected one for each of {len(names)} columns")
    return [column(name, unit) for name, unit in zip(names, units, strict=True)]
