"""Tables of results, one row an event, in the file as one data set a column: `energies.hdf5`, `scores.hdf5`."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np

from hepjax.data import addresses, hdf5
from hepjax.types import AnyArray, InputError


def write(
    path: str | os.PathLike[str],
    columns: Mapping[str, AnyArray],
    units: Mapping[str, str] | None = None,
    attrs: Mapping[str, object] | None = None,
) -> None:
    """Write columns, (n,) each, as a new file that is whole or absent; a file of that name is replaced.

    units: column -> unit, kept as the attribute `units` of its data set. attrs: attributes of the file. Raises
    InputError for columns of different lengths, or when the file cannot be written.
    """
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        raise InputError(f"{path}: columns of shapes {shapes}, expected one shape (rows,)")
    with hdf5.create(path) as file:
        file.attrs.update(attrs or {})
        for name, array in arrays.items():
            file.create_dataset(name, data=array)
        for name, unit in (units or {}).items():
            file[name].attrs["units"] = unit


def read(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The columns of a table; raises InputError when the file is missing or broken."""
    return dict(hdf5.read(addresses.parse(path)).arrays)
