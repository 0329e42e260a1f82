"""Units of observables: values that are compared with others in another unit are converted, or refused."""

from __future__ import annotations

import dataclasses
import logging
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from hepjax.types import Column, InputError, Measured, Unfolded, Unfolding

SCALES = {
    "energy": {"ev": 1e-9, "kev": 1e-6, "mev": 1e-3, "gev": 1.0, "tev": 1e3},
    "length": {"um": 1e-3, "mm": 1.0, "cm": 1e1, "m": 1e3},
    "angle": {"mrad": 1e-3, "rad": 1.0},
}
"""Known units in lower case, by what they measure, each in one of them."""

LEVELS = (("gen", "columns"), ("reco", "columns"), ("gen", "gen_columns"), ("reco", "reco_columns"))
"""Fields of the records of events that hold values, and those that name their columns."""

Sample = TypeVar("Sample", Measured, Unfolded, Unfolding)

log = logging.getLogger(__name__)


def factor(found: str, expected: str) -> float | None:
    """What a value in one unit is multiplied by to be in another; None where they do not convert.

    >>> factor("MeV", "GeV"), factor("GeV/c^2", "GeV")
    (0.001, 1.0)
    >>> factor("GeV", "mm") is None
    True
    """
    # Momenta and masses are energies: c is 1.
    one, other = (re.sub(r"/c((\^|\*\*)?2)?$", "", unit).lower() for unit in (found, expected))
    if one == other:
        return 1.0
    scales = [scale for scale in SCALES.values() if one in scale and other in scale]
    return scales[0][one] / scales[0][other] if scales else None


def like(sample: Sample, expected: Sequence[Column], where: str) -> Sample:
    """A sample in the units that are expected of columns of the same names, at all its levels; others stay as they are.

    Where one side alone tells the unit of a column, it is taken for both, and a warning is logged. Raises InputError,
    named by `where`, for two units that do not convert.
    """
    for values, columns in LEVELS:
        if hasattr(sample, values) and hasattr(sample, columns):
            found = getattr(sample, columns)
            taken = _taken(found, expected, where)
            changed: dict[str, Any] = {columns: taken}
            factors = [factor(a.unit, b.unit) if a.unit else 1.0 for a, b in zip(found, taken, strict=True)]
            if set(factors) != {1.0}:
                table = np.asarray(getattr(sample, values))
                changed[values] = (table * np.array(factors, np.float64)).astype(table.dtype)
            sample = dataclasses.replace(sample, **changed)
    return sample


def _taken(found: Sequence[Column], expected: Sequence[Column], where: str) -> tuple[Column, ...]:
    """The columns with the units to convert to."""
    asked, taken, silent = {column.name: column.unit for column in expected}, [], []
    for column in found:
        unit = asked.get(column.name, column.unit)
        if bool(unit) != bool(column.unit):
            unit = unit or column.unit
            silent.append(f"{column.name} in {unit}")
        elif factor(column.unit, unit) is None:
            raise InputError(f"{where}: {column.name} in {column.unit}, expected {unit} or a unit that converts to it")
        taken.append(Column(column.name, unit))
    if silent:
        log.warning("%s: %s, as one of two samples says; the other tells no unit", where, ", ".join(silent))
    return tuple(taken)
