"""Run folders: what a fit of the command line leaves behind, and how one that was stopped goes on.

A run folder holds config.json, metrics.json, history.csv, figures/history_*.png and checkpoint/. Of several processes
the first makes it, and all have to see it. A pipeline is a module of `hepjax.pipelines` with

    fit(key, *arguments, folder, resume) -> state, which leaves checkpoints and history.csv in the folder,
    save(path, state) and load(path) -> state,
    summary(state) -> what else metrics.json should hold; optional.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import data, devices, report
from hepjax.cli import common
from hepjax.pipelines.showers import stored
from hepjax.training import checkpoint, read_histories, spec, stream
from hepjax.types import Geometry, InputError, Showers, State

CONFIG, CHECKPOINT, PROGRESS, HISTORY = "config.json", common.CHECKPOINT, common.PROGRESS, "history.csv"
MACHINES = tuple(field.name for field in dataclasses.fields(common.Machines))
DATA = "data_sha256"
BLOCK, BLOCKS = 8, 16  # rows, and blocks of them, by which data on disk are known
PLACE = ("out", "overwrite", "resume", *MACHINES)  # options that say where and how to work, not at what


def fit(options: common.Fit, pipeline: ModuleType, *arguments: Any, **more: Any) -> State:
    """Fit a pipeline as a command was asked to, in a run folder of its own.

    arguments, more: those of the pipeline's `fit`, after the key. Raises InputError as `fill` does, and for the folder.
    """
    with _claimed(options) as folder:
        return fill(folder, asked(options), pipeline, jax.random.key(options.seed), *arguments, **more)[0]


@contextlib.contextmanager
def _claimed(options: common.Fit) -> Iterator[Path]:
    """The run folder, which the first process claims for all that share it."""
    with contextlib.ExitStack() as stack:
        with devices.together():
            if devices.is_first():
                claim = data.output.claim(options.out, overwrite=options.overwrite, resume=options.resume)
                stack.enter_context(claim)
        yield Path(os.path.abspath(options.out))


@contextlib.contextmanager
def showers(
    address: str, memory_gib: float | None, copies: Callable[[Geometry], int]
) -> Iterator[Showers | stored.Stored]:
    """Give the showers of a file to a block that fits them: in memory where they fit, else on disk, and say so.

    memory_gib: what they may take, a half of the memory by default. copies: how many times a fit in memory has them
    there. Raises InputError for a budget that is none, and as `data.showers.opened` does.
    """
    budget = devices.of_first(memory_bytes() / 2 if memory_gib is None else memory_gib * 2**30)
    if budget <= 0:
        raise InputError(f"memory-gib is {memory_gib}, expected a positive number")
    with contextlib.ExitStack() as stack:
        with devices.together():
            found = stack.enter_context(data.showers.opened(address))
            needed = found.nbytes * copies(found.geometry)
            large = needed > budget
            showers = stored.Stored(found, int(budget), found.rows_a_chunk) if large else data.showers.read(address)
        if large and devices.is_first():
            needs = f"a fit in memory needs {needed / 2**30:.3g} GiB of {budget / 2**30:.3g}"
            print(f"hepjax: {address}: {needs}; showers are read while training")
        yield showers


def memory_bytes() -> int:
    """Memory that this process may have: the machine's, or its share by the control group."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return machine


def fill(
    folder: Path, asked: Mapping[str, Any], pipeline: ModuleType, *arguments: Any, **more: Any
) -> tuple[State, float]:
    """Fill a run folder, or go on with one that was stopped. Returns the state and the seconds of the fit.

    asked: what the run was asked for, which a resumed run must share. arguments, more: those of the pipeline's `fit`.
    Raises InputError when a resumed run, also one that is finished, is asked for something else or of other data.
    """
    progress, remove = folder / PROGRESS, devices.by_first(shutil.rmtree)
    asked = {**asked, DATA: digest((arguments, more))}
    with devices.together():
        require_asked(folder, asked)
        done, begun = (folder / CHECKPOINT).exists(), progress.exists()
    if done:
        remove(progress, ignore_errors=True)
        return pipeline.load(folder / CHECKPOINT), 0.0
    devices.by_first(report.write_json)(folder / CONFIG, asked)
    started = time.perf_counter()
    state = pipeline.fit(*arguments, **more, folder=progress, resume=begun)
    jax.block_until_ready(state.params)
    seconds = time.perf_counter() - started
    numbers = {"seconds_fit": seconds, "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params))}
    summary = pipeline.summary(state) if hasattr(pipeline, "summary") else {}
    _describe(folder, {**numbers, **summary, "provenance": provenance()})
    pipeline.save(folder / CHECKPOINT, state)
    remove(progress)
    return state, seconds


def asked(options: common.Fit | common.Apply) -> dict[str, Any]:
    """What a command was asked for, as JSON."""
    values = {f.name: getattr(options, f.name) for f in dataclasses.fields(options) if f.name not in PLACE}
    return {name: spec.encode(str(value) if isinstance(value, Path) else value) for name, value in values.items()}


def require_asked(folder: Path, asked: Mapping[str, Any]) -> None:
    """Raise InputError unless a run that is resumed is asked for the same again, of the same data."""
    before = spec.renamed(json.loads((folder / CONFIG).read_text())) if (folder / CONFIG).exists() else asked
    before = {DATA: asked.get(DATA), **before}  # older runs did not write it down
    changed = ", ".join(name.removesuffix("_sha256") for name in asked if before.get(name) != asked[name])
    if changed:
        raise InputError(f"{folder / CONFIG}: resume expects the options and data of the run, other: {changed}")


def digest(tree: Any) -> str:
    """SHA-256 of the arrays of a tree, and of data on disk of their length and of rows all over them."""
    found = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, stored.Stored):
            found.update(f"{len(leaf)} {digest(rows_all_over(leaf.showers))}".encode())
        elif isinstance(leaf, jax.Array | np.ndarray):
            key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
            array = np.ascontiguousarray(jax.random.key_data(leaf) if key else leaf)
            found.update(f"{array.shape} {array.dtype}".encode())
            found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def rows_all_over(source: stream.Source) -> list[Any]:
    """Blocks of rows at equal distances from the first to the last, by which a source too long to read is known."""
    last = max(len(source) - BLOCK, 0)
    return [source[start : start + BLOCK] for start in sorted({last * n // BLOCKS for n in range(BLOCKS + 1)})]


@devices.by_first
def _describe(folder: Path, metrics: Mapping[str, Any]) -> None:
    """Write history.csv, its figures and metrics.json."""
    shutil.copyfile(folder / PROGRESS / HISTORY, folder / HISTORY)
    for part, history in read_histories(folder / HISTORY).items():
        report.write_figure(folder / "figures" / f"history_{part}.png", report.history_figure(history, part))
    report.write_json(folder / "metrics.json", metrics)


def load(folder: Path, pipeline: ModuleType) -> State:
    """The fitted state of a run folder; raises InputError where there is none, or that of another pipeline."""
    return pipeline.load(folder / CHECKPOINT)


def require_new_file(path: Path, overwrite: bool) -> None:
    """Raise InputError unless a file can be written there: before the work, not after it."""
    folder = path.absolute().parent
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected the name of an output file")
    if path.exists() and not overwrite:
        raise InputError(f"{path}: output file exists, expected a new name or the option overwrite")
    if not folder.is_dir():
        raise InputError(f"{path}: no such folder, expected one that exists")
    if not os.access(folder, os.W_OK):
        raise InputError(f"{path}: its folder cannot be written to, expected one that can")


def provenance() -> dict[str, str]:
    """Versions, hardware and date, to be kept beside results."""
    device = jax.local_devices()[0]
    return {
        **checkpoint.versions(),
        "python": platform.python_version(),
        "device": f"{jax.device_count()} x {device.device_kind} ({platform.machine()}, {os.cpu_count()} cores)",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
