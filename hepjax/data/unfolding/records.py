"""What the readers of the formats have in common: levels of events, what is asked of a file, and what it gives."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from hepjax.data.addresses import Address, require_file
from hepjax.types import AnyArray, Column, InputError

GEN, SIM, WEIGHT = "gen", "sim", "weight"
FLAGS = {GEN: "pass_gen", SIM: "pass_reco"}

Asked = Mapping[str, Sequence[str] | None]
"""A level (`GEN`, `SIM`), and the names of its columns to read; None for the default ones."""


class Content(NamedTuple):
    """What a file has of what was asked for.

    values: level -> (n, d) float32. columns: level -> d of them. extras: those of `weight`, `pass_gen` and `pass_reco`
    that the file has, as they are. names: of everything that the file has.
    """

    values: Mapping[str, np.ndarray]
    columns: Mapping[str, tuple[Column, ...]]
    extras: Mapping[str, np.ndarray]
    names: Sequence[str] = ()


class Level(NamedTuple):
    """Events at one level: values (n, d), d columns, and which events pass (n,)."""

    values: AnyArray
    columns: tuple[Column, ...]
    passed: AnyArray


class Sample(NamedTuple):
    """Events at the levels asked for, with weights (n,)."""

    levels: Mapping[str, Level]
    weight: AnyArray


def extras_of(asked: Asked) -> tuple[str, ...]:
    """The weight, and the flags of the levels asked for: what a file may have beside their columns."""
    return (WEIGHT, *(FLAGS[level] for level in asked))


def float32(where: str, values: np.ndarray) -> np.ndarray:
    """Numbers as float32; raises InputError for other types. What overflows becomes infinite."""
    with np.errstate(over="ignore"):
        return numbers(where, values).astype(np.float32)


def numbers(where: str, values: np.ndarray) -> np.ndarray:
    """The values; raises InputError unless they are numbers."""
    if values.dtype.kind not in "fiu":
        raise InputError(f"{where}: type {values.dtype}, expected numbers")
    return values


@contextlib.contextmanager
def opened(address: Address, expected: str) -> Iterator[None]:
    """A block that reads a file by a package of an extra ("a ROOT file" is expected).

    Raises InputError when the file is missing, or the package is not installed.
    """
    require_file(address.path, expected)
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_extra(error, address.path, expected) from error


@contextlib.contextmanager
def decoded(address: Address, expected: str) -> Iterator[None]:
    """Give one line, with the cause, for whatever a package says of the content of a file.

    For calls of the package alone: an error of ours is not to look like a file that is damaged.
    """
    try:
        yield
    except (InputError, ImportError, MemoryError):
        raise
    except Exception as error:  # of many kinds: packages find out half way that a file is cut, or not theirs
        cause = next(iter(str(error).strip().splitlines()), "")[:160]
        reason = f"{type(error).__name__}: {cause}" if cause else type(error).__name__
        raise InputError(f"{address}: cannot be read ({reason}), expected {expected} that is whole") from error


def missing_extra(error: ModuleNotFoundError, path: Path, what: str) -> InputError:
    """The line for a user who has not installed what a file needs; uproot says itself which codec it lacks."""
    if error.name is None:
        return InputError(f"{path}: {what} needs a package that is not installed ({' '.join(str(error).split())})")
    package = error.name.partition(".")[0]
    return InputError(f"{path}: {what} needs {package}, expected it installed: pip install 'hepjax[tables]'")


def require_no_group(address: Address) -> None:
    """Raise InputError where a group of a file is named whose format has none."""
    if address.group:
        raise InputError(f"{address}: names a group, expected {address.path} alone, which has none")
