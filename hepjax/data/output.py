"""Folders that a command writes its results to.

A run must never lose what the user had, nor leave rubbish behind when it fails; but a killed one must leave what it
has, to be resumed. So a new folder is filled in place, and one that is replaced waits beside it under another name.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from hepjax.data import addresses
from hepjax.types import InputError

MARKER = ".hepjax"
"""Empty file in every folder that hepjax made: only such a folder is ever replaced or resumed."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def claim(path: str | os.PathLike[str], *, overwrite: bool = False, resume: bool | None = None) -> Iterator[Path]:
    """Give the folder `path` to a block that fills it.

    overwrite: an older folder is replaced when the block succeeds, and put back when it fails.
    resume: the block continues in the older folder; a folder that does not exist is made. None for a command that has
    no such option.

    When the block raises an exception, what it made is removed, except on `resume`. On an interrupt (Ctrl-C, a killed
    process) the folder stays to be resumed. Raises InputError when the folder exists and neither option is given, when
    it was not made by hepjax, or when it cannot be written (a full disk too).
    """
    folder = Path(os.path.abspath(path))
    previous = folder.with_name(f".{folder.name}.replaced")
    _require_claimable(folder, overwrite, resume)
    resumed = bool(resume) and os.path.exists(folder)
    missing = [p for p in folder.parents if not os.path.exists(p)]
    try:
        if overwrite:
            _set_aside(folder, previous)
        folder.mkdir(parents=True, exist_ok=resumed)
    except OSError as error:
        _put_back(folder, previous, missing)
        raise InputError(f"{folder}: cannot be made ({error.strerror})") from error
    try:
        (folder / MARKER).touch()
        yield folder
    except Exception as error:
        if not resumed:
            shutil.rmtree(folder, ignore_errors=True)
            _put_back(folder, previous, missing)
        if isinstance(error, OSError) and error.errno in _FULL:
            raise InputError(f"{folder}: cannot be written ({error.strerror})") from error
        raise
    shutil.rmtree(previous, ignore_errors=True)


def require_apart(out: str | os.PathLike[str], inputs: Mapping[str, str | os.PathLike[str]]) -> None:
    """Raise InputError where writing `out`, a file or a folder, would replace or change one of the inputs.

    inputs: name -> address, which may have wildcards, of a file or a folder. That is: `out` is an input, by whatever
    path or link, a folder that holds one, or something inside of one.
    """
    out = Path(out)
    for name, address in inputs.items():
        path = addresses.parse(os.fspath(address)).path
        found = [path] if path.exists() else map(Path, glob.glob(str(path)))
        for one in found:
            if out.exists() and os.path.samefile(out, one):
                raise InputError(f"{out}: is the input {name} too, expected another output")
            if out.resolve() in one.resolve().parents:
                raise InputError(f"{out}: holds the input {name} ({one}), expected another output folder")
            if one.resolve() in out.resolve().parents:
                raise InputError(f"{out}: lies in the input {name} ({one}), expected another place")


def _require_claimable(folder: Path, overwrite: bool, resume: bool | None) -> None:
    if overwrite and resume:
        raise InputError(f"{folder}: overwrite and resume exclude each other, expected one of them")
    blocker = next((p for p in (folder, *folder.parents) if os.path.exists(p)), None)
    if blocker is not None and not blocker.is_dir():
        raise InputError(f"{blocker}: is a file, expected an output folder")
    if blocker != folder:
        return
    if not (overwrite or resume):
        options = "overwrite" if resume is None else "overwrite or resume"
        raise InputError(f"{folder}: output folder exists, expected a new one, or the option {options}")
    if not (folder / MARKER).exists():
        raise InputError(f"{folder}: folder was not made by hepjax, expected a new one or one with results of hepjax")


def _set_aside(folder: Path, previous: Path) -> None:
    """Move an older folder out of the way; after a killed overwrite it is already there, and `folder` is half done."""
    if not folder.exists():
        return
    if previous.exists():
        shutil.rmtree(folder)
    else:
        os.replace(folder, previous)


def _put_back(folder: Path, previous: Path, missing: list[Path]) -> None:
    """Leave the disk as it was: the older folder at its place, and no empty parents that were made for a new one."""
    with contextlib.suppress(OSError):
        os.rename(previous, folder)
    for parent in missing:
        with contextlib.suppress(OSError):
            parent.rmdir()
