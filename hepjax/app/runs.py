"""Run folders: what a fit of the command line leaves behind, and how one that was stopped goes on.

A run folder holds config.json, metrics.json, history.csv, figures/history_*.png and checkpoint/. Of several processes
the first makes it, and all have to see it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import data, devices, report
from hepjax.app.options import CHECKPOINT, PROGRESS
from hepjax.pipelines.options import Apply, Fit, Machines
from hepjax.pipelines.pipeline import Fit as Verb
from hepjax.pipelines.pipeline import Pipeline
from hepjax.pipelines.showers import stored
from hepjax.provenance import provenance
from hepjax.training import checkpoint, read_histories, spec, stream
from hepjax.types import InputError, State

CONFIG, HISTORY = "config.json", "history.csv"
MACHINES = tuple(field.name for field in dataclasses.fields(Machines))
DATA = "data_sha256"
BLOCK, BLOCKS = 8, 16  # rows, and blocks of them, by which data on disk are known
PLACE = ("out", "overwrite", "resume", *MACHINES)  # options that say where and how to work, not at what


def run(options: Fit, pipeline: Pipeline, verb: Verb) -> None:
    """Fit a pipeline to the data that a command names, in a run folder of its own.

    Raises InputError as `fill` does, for the data, and for the folder.
    """
    with verb.given(options) as given, _claimed(options) as folder:
        key = jax.random.key(options.seed)
        state, _ = fill(folder, asked(options), pipeline, key, *given.arguments, **given.more)
    said = verb.say(state)
    if said and devices.is_first():
        print(said)


@contextlib.contextmanager
def _claimed(options: Fit) -> Iterator[Path]:
    """The run folder, which the first process claims for all that share it."""
    with contextlib.ExitStack() as stack:
        with devices.together():
            if devices.is_first():
                claim = data.output.claim(options.out, overwrite=options.overwrite, resume=options.resume)
                stack.enter_context(claim)
        yield Path(os.path.abspath(options.out))


def fill(
    folder: Path, asked: Mapping[str, Any], pipeline: Pipeline, *arguments: Any, **more: Any
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
    _describe(folder, {**numbers, **pipeline.summary(state), "provenance": provenance()})
    checkpoint.save(folder / CHECKPOINT, state)
    remove(progress)
    return state, seconds


def asked(options: Fit | Apply) -> dict[str, Any]:
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
