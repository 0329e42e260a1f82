"""What a fit is a fit of: which one a checkpoint belongs to, told by numbers that survive another device's rounding."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from hepjax.training import spec
from hepjax.types import InputError

TOLERANCE = 1e-3
"""Of each number of a `fingerprint`; their spread over data sets is one."""
SIGNS = 4
ROWS = 1024  # at a time, in float64

PARTS = {
    "data": "events",
    "validation": "events for validation",
    "params": "parameters to start from",
    "constants": "constants of preprocessing",
}
"""What is known by its fingerprint, in words."""


def of(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The fingerprints of `PARTS`."""
    return {name: fingerprint(part) for name, part in parts.items()}


def fingerprint(tree: Any) -> list[Any]:
    """A few numbers for every array of a pytree, to tell it from others, as JSON.

    Sums over rows with random signs, in units of each column's norm, and the norms' logarithms, both summed over
    columns with random signs. Other values of one row in a thousand change them by more than `TOLERANCE`, and rounding
    does not.
    """
    return [[list(np.shape(leaf)), _projected(leaf)] for leaf in jax.tree.leaves(tree)]


def require(folder: str | os.PathLike[str], name: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Raise InputError unless the fit whose identity was found in a folder is the one that is to be resumed.

    What an older version has not written down is not compared.
    """
    found = spec.renamed(dict(found))
    for field, value in expected.items():
        if field in PARTS:
            if not _alike(found.get(field, value), value):
                raise InputError(
                    f"{folder}: holds a {name} with other {PARTS[field]}; expected those of the stopped fit to resume"
                )
        elif found.get(field, value) != value:
            raise InputError(f"{folder}: holds a {name} with another {field}; expected {value!r} to resume")


def _alike(a: Any, b: Any) -> bool:
    """Whether two fingerprints are of the same arrays, up to rounding."""
    if [shape for shape, _ in a] != [shape for shape, _ in b]:
        return False
    return all(np.allclose(x, y, rtol=0, atol=TOLERANCE, equal_nan=True) for (_, x), (_, y) in zip(a, b, strict=True))


@np.errstate(invalid="ignore")  # infinities compare as NaN does
def _projected(leaf: Any) -> list[float]:
    array = np.asarray(leaf)
    array = array.reshape(len(array) if array.ndim else 1, -1)
    rows, columns = array.shape
    rng = np.random.default_rng(0)
    down = rng.choice([-1.0, 1.0], (columns, SIGNS)) / np.sqrt(max(columns, 1))
    sums, squares = np.zeros((SIGNS, columns)), np.zeros(columns)
    for start in range(0, rows, ROWS):
        part = array[start : start + ROWS].astype(float)
        sums += rng.choice([-1.0, 1.0], (SIGNS, len(part))) @ part
        squares += (part**2).sum(0)
    # A column of rounding errors, such as a constant that was standardised, says nothing.
    norms = np.sqrt(squares)
    norms = np.maximum(norms, 1e-7 * norms.max(initial=0))
    norms = np.where(norms == 0, 1, norms)
    return np.concatenate([(sums / norms @ down).ravel(), np.log(norms) @ down]).tolist()
