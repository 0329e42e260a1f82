"""Addresses of groups in HDF5 files: `file.hdf5:group/name`, or `file.hdf5` for the root; of trees in ROOT files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from hepjax.types import InputError

File = TypeVar("File", str, Path)


class Address(NamedTuple):
    """A group in an HDF5 file; the empty group is the file's root."""

    path: Path
    group: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.group}" if self.group else str(self.path)

    def key(self, name: str) -> str:
        """The name of a data set of the group, as error messages give it.

        >>> Address(Path("f.hdf5"), "fast/train").key("showers")
        'f.hdf5:fast/train/showers'
        """
        return f"{self.path}:{self.group}/{name}" if self.group else f"{self.path}:{name}"


def parse(text: str | os.PathLike[str] | Address) -> Address:
    """Split `file.hdf5:group/name`; a colon in the name of a file or folder that exists stays part of it.

    Raises InputError when no file is named.

    >>> parse("showers.hdf5:fast/train/")
    Address(path=PosixPath('showers.hdf5'), group='fast/train')
    >>> parse("showers.hdf5").group
    ''
    """
    if isinstance(text, Address):
        return text
    if not isinstance(text, str) or Path(text).exists():
        return Address(Path(text))
    path, _, group = text.rpartition(":") if ":" in text else (text, "", "")
    if not path:
        raise InputError(f"{text!r} names no file, expected file.hdf5 or file.hdf5:group/name")
    return Address(Path(path), group.strip("/"))


def require_file(path: Path, expected: str) -> None:
    """Raise InputError, which says what was expected ("an HDF5 file"), unless there is a file that can be read."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected {expected}")
    if not path.exists():
        raise InputError(f"{path}: no such file, expected {expected}")
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: not readable, expected {expected} with read permission")


def short_names(files: Sequence[File]) -> dict[str, File]:
    """Files or groups by short names: of the file, or with the group, or else the whole address."""
    parsed = [parse(file) for file in files]
    stems, groups = [a.path.stem for a in parsed], [f"{a.path.stem}:{a.group}" for a in parsed]
    short = [names for names in (stems, groups) if len({*names, "reference", "baseline"}) == len(names) + 2]
    return dict(zip(short[0] if short else map(str, files), files, strict=True))
