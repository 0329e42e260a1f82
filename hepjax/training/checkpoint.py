"""Checkpoints: of a trained `State`, and of a fit under way. The only file that knows orbax.

Arrays are stored as host arrays and restored against a target of known shapes, so that a checkpoint does not depend
on the devices that wrote it. The processes of a job share the folders: a trained state is written by the first of them
and read by each for itself, a fit under way is written and restored by all together.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from hepjax import devices, tags
from hepjax.provenance import versions
from hepjax.training import spec as specs
from hepjax.training.table import release
from hepjax.types import InputError, State

CONFIG = "config.json"
ARRAYS = "arrays"
SPARE_BYTES = 1 << 18  # what orbax writes beside the arrays

# Orbax reports every file it touches; its errors reach us as exceptions.
logging.getLogger("absl").addFilter(lambda record: "orbax" not in record.pathname)


@devices.by_first
def save(path: str | os.PathLike[str], state: State) -> None:
    """Write a trained state as a folder `path`, whole or not at all; an older checkpoint there is replaced.

    `config.json` holds the specification (see `hepjax.training.spec`) and the versions of hepjax and jax, and
    `arrays/` the constants and parameters.

    Raises:
        InputError: `path` cannot be written, or is something else than a checkpoint.
        TypeError: the specification is not made of dataclasses and plain values.
    """
    target = Path(path).absolute()
    if target.exists() and not (target / CONFIG).is_file():
        raise InputError(f"{path}: exists and is no checkpoint; expected a checkpoint or a new name")
    config = json.dumps({"spec": specs.encode(state.spec), "versions": versions()}, indent=2)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with _one_line(f"{path}: cannot write the checkpoint"):
            temporary.mkdir()
            (temporary / CONFIG).write_text(config + "\n")
            arrays = _host({"constants": state.constants, "params": state.params})
            _require_space(temporary, arrays)
            with _checkpointer() as checkpointer:
                checkpointer.save(temporary / ARRAYS, arrays)
            _replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def load(path: str | os.PathLike[str], build: Callable[[Any], State]) -> State:
    """Read a trained state.

    Args:
        path: a folder written by `save`, or a run folder that holds one.
        build: specification -> `State` of arrays or `jax.ShapeDtypeStruct` with the shapes to expect, for instance
            by `jax.eval_shape`.

    Raises:
        InputError: there is no checkpoint, it is damaged, or it does not have the shapes to expect.
    """
    spec = read_spec(path)
    path, like = _folder(path), build(spec)
    with _one_line(f"{path}/{ARRAYS}: damaged, or of another model"), _checkpointer() as checkpointer:
        target = _abstract({"constants": like.constants, "params": like.params})
        arrays = checkpointer.restore(Path(path).absolute() / ARRAYS, target)
    return State(spec, **release(arrays))


def read_spec(path: str | os.PathLike[str]) -> Any:
    """The specification of a trained state alone; raises InputError where there is none."""
    return _read_config(path, specs.decode)


def read_kind(path: str | os.PathLike[str]) -> str | None:
    """The class of the specification, as `specs.encode` names it, whether it is known here or not; None of none."""
    return _read_config(path, lambda spec: spec.get(specs.KIND) if isinstance(spec, dict) else None)


def read_class(path: str | os.PathLike[str]) -> type | None:
    """The class of the specification, or None where it is not known here; raises InputError where there is none."""
    kind = read_kind(path)
    return None if kind is None else tags.find(kind)


def _folder(path: str | os.PathLike[str]) -> Path:
    """The checkpoint that a folder is, or that a run folder holds."""
    inside = Path(path) / specs.CHECKPOINT
    return inside if (inside / CONFIG).is_file() else Path(path)


def _read_config(path: str | os.PathLike[str], read: Callable[[Any], Any]) -> Any:
    """What is read of the specification in a file; raises InputError where there is none."""
    path = _folder(path)
    try:
        return read(json.loads((path / CONFIG).read_text())["spec"])
    except OSError as error:
        raise InputError(f"{path}: no checkpoint here; expected a folder with {CONFIG}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}/{CONFIG}: not a specification ({_first_line(error)})") from error


class Store:
    """Checkpoints of one fit in a folder: written in the background, the last complete one kept.

    A fit that is killed while it writes leaves the one before. `notes` are JSON beside the arrays.
    """

    def __init__(self, folder: str | os.PathLike[str], resume: bool):
        """Open `folder`, made when it is missing.

        Raises:
            InputError: the folder holds a checkpoint and `resume` is false, or it cannot be made.
        """
        self.folder = Path(folder).absolute()
        with _one_line(f"{folder}: cannot hold checkpoints"):
            devices.by_first(self.folder.mkdir)(parents=True, exist_ok=True)
            options = ocp.CheckpointManagerOptions(max_to_keep=1, cleanup_tmp_directories=True)
            self._manager = ocp.CheckpointManager(self.folder, options=options)
        if self._manager.latest_step() is not None and not resume:
            raise InputError(f"{folder}: holds the checkpoint of a fit; expected resume, or another folder")

    def save(self, epoch: int, arrays: Any, notes: Mapping[str, Any]) -> None:
        """Begin to write a checkpoint; the arrays are copied first, so that the caller may donate them."""
        arrays = _host(arrays)
        args = ocp.args.Composite(
            arrays=ocp.args.StandardSave(arrays), notes=ocp.args.JsonSave({**notes, "versions": versions()})
        )
        with self._writing():
            devices.by_first(_require_space)(self.folder, arrays)
            self._manager.save(epoch, args=args, force=True)

    def restore(self, like: Any) -> tuple[Any, dict[str, Any]] | None:
        """The arrays, with the shapes and devices of `like`, and the notes of the last checkpoint, or None."""
        epoch = self._manager.latest_step()
        if epoch is None:
            return None
        with _one_line(f"{self.folder / str(epoch)}: damaged, or of another fit"):
            args = ocp.args.Composite(arrays=ocp.args.StandardRestore(_abstract(like)), notes=ocp.args.JsonRestore())
            restored = self._manager.restore(epoch, args=args)
        return restored["arrays"], restored["notes"]

    def close(self) -> None:
        """Wait until the last checkpoint is complete."""
        with self._writing():
            self._manager.close()

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        return _one_line(f"{self.folder}: cannot write the checkpoint")


def _require_space(folder: Path, arrays: Any) -> None:
    """Raise OSError when the disk cannot take the arrays: orbax would print a traceback for each of its writers."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(sum(leaf.nbytes for leaf in jax.tree.leaves(arrays)) + SPARE_BYTES))


def _checkpointer() -> ocp.StandardCheckpointer:
    """One that does not wait for the other processes of a job."""
    own = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(own, {own}, f"of_{own}")
    return ocp.StandardCheckpointer(multiprocessing_options=alone)


def _host(tree: Any) -> Any:
    return jax.tree.map(np.array, tree)


def _abstract(tree: Any) -> Any:
    """Shapes and dtypes of a tree, to be restored on the devices of its arrays, or on the first."""
    first = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])

    def leaf(x):
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=getattr(x, "sharding", None) or first)

    return jax.tree.map(leaf, tree)


def _replace(temporary: Path, target: Path) -> None:
    """Rename a folder over another; a failure in between leaves the old one."""
    old = target.with_name(f"{temporary.name}.old")
    replaced = target.exists()
    if replaced:
        target.rename(old)
    try:
        temporary.rename(target)
    except OSError:
        if replaced:
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _one_line(message: str) -> Iterator[None]:
    """Turn whatever orbax and the file system raise into one line."""
    try:
        yield
    except Exception as error:
        raise InputError(f"{message} ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)[:200]
