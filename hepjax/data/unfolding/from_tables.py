"""Events in flat tables: ROOT through uproot, parquet through pyarrow (the extra `tables`).

A column is named by its level and its observable: `gen_mass_gev`, `sim_mass_gev` (or `reco_mass_gev`); beside them
may be `weight`, `pass_gen` and `pass_reco`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from hepjax.data.addresses import Address
from hepjax.data.names import listed
from hepjax.data.unfolding.columns import column, select
from hepjax.data.unfolding.records import (
    GEN,
    SIM,
    Asked,
    Content,
    decoded,
    extras_of,
    float32,
    opened,
    require_no_group,
)
from hepjax.types import InputError

PREFIXES = {GEN: ("gen_",), SIM: ("sim_", "reco_")}
ROOT, PARQUET = "a ROOT file", "a parquet file"
TREES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")


class Table(NamedTuple):
    """An open table: the names of its columns, and a function that reads some of them, (n,) each."""

    names: Sequence[str]
    read: Callable[[list[str]], Mapping[str, np.ndarray]]


def read_root(address: Address, asked: Asked) -> Content:
    """Read the branches asked for of a tree; raises InputError for a file that is not whole, or without uproot."""
    with opened(address, ROOT):
        import uproot

        with decoded(address, ROOT):
            file = cast(Any, uproot.open(address.path))
        with file:
            with decoded(address, ROOT):
                tree = file[_tree(address, file)]
                names = tree.keys(recursive=False)
            return _read(address, asked, Table(names, lambda names: tree.arrays(names, library="np")), ROOT)


def read_parquet(address: Address, asked: Asked) -> Content:
    """Read the columns asked for; raises InputError for a file that is not whole, or without pyarrow."""
    with opened(address, PARQUET):
        import pyarrow.parquet as pq

        require_no_group(address)
        with decoded(address, PARQUET):
            file = pq.ParquetFile(address.path)
        with file:
            table = Table(file.schema_arrow.names, lambda names: _arrays(file.read(names)))
            return _read(address, asked, table, PARQUET)


def _tree(address: Address, file: Any) -> str:
    """The tree that the address names, else the only one that there is."""
    kinds = file.classnames().items()
    trees = sorted({name.split(";")[0] for name, kind in kinds if kind in TREES})
    chosen = address.group or (trees[0] if len(trees) == 1 else "")
    if chosen not in trees:
        found = listed(trees)
        raise InputError(f"{address}: no such tree, expected the name of one as file.root:tree (in this file: {found})")
    return chosen


def _arrays(table: Any) -> dict[str, np.ndarray]:
    return {name: table[name].to_numpy() for name in table.column_names}


def _prefix(address: Address, level: str, table: Table) -> str:
    """What the names of a level's columns start with in this table."""
    for prefix in PREFIXES[level]:
        if any(name.startswith(prefix) for name in table.names):
            return prefix
    expected = " or ".join(f"{prefix}<name>" for prefix in PREFIXES[level])
    raise InputError(f"{address}: no columns at {level}, expected {expected} (found: {listed(table.names)})")


def _read(address: Address, asked: Asked, table: Table, expected: str) -> Content:
    columns, wanted = {}, {}
    for level, names in asked.items():
        prefix = _prefix(address, level, table)
        found = [column(name.removeprefix(prefix)) for name in table.names if name.startswith(prefix)]
        columns[level] = select(found, names, address.key(f"{prefix}*"))
        wanted[level] = [prefix + c.name for c in columns[level]]
    extras = [key for key in extras_of(asked) if key in table.names]
    every = [*extras, *(name for names in wanted.values() for name in names)]
    twice = [name for name in every if list(table.names).count(name) > 1]
    if twice:
        raise InputError(f"{address.key(twice[0])}: several columns of this name, expected one")
    with decoded(address, expected):
        arrays = table.read(every)
    flat = {name: _one_an_event(address.key(name), np.asarray(arrays[name])) for name in every}
    values = {
        level: np.stack([float32(address.key(name), flat[name]) for name in names], axis=-1)
        for level, names in wanted.items()
    }
    return Content(values, columns, {key: flat[key] for key in extras}, table.names)


def _one_an_event(where: str, column: np.ndarray) -> np.ndarray:
    """The column (n,) of a table; raises InputError for one of arrays, of equal lengths (n, k) or not."""
    several = column.ndim != 1 or any(np.ndim(value) for value in column[:1] if column.dtype == object)
    if several:
        raise InputError(f"{where}: an array an event, expected one number")
    return column
