"""Apply a fitted model to a file of events larger than memory, or shared among the processes of a job.

Every chunk of events becomes a part file, whole or absent, in the folder `.NAME.parts` beside the file NAME that is
made of them at the end. So a run that was stopped, at whatever moment, goes on with the chunks that are missing.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from hepjax import data, devices, report
from hepjax.app import runs
from hepjax.app.options import CHECKPOINT, parts_of
from hepjax.pipelines.options import Apply
from hepjax.pipelines.pipeline import Apply as Verb
from hepjax.pipelines.pipeline import Pipeline, Source, Work
from hepjax.training import spec
from hepjax.training.progress import progress_bar
from hepjax.types import InputError, State

CHUNK_BYTES = 128 << 20
"""Of the values of a chunk, which is some times in memory: as it is read, computed, and written."""
ROWS = 512
"""Chunks are multiples of so many events, as HDF5's own chunks of showers are: parts are joined without being
compressed again."""
MAX_ROWS = 64 * ROWS
"""More are no faster, and more to do again."""
STOPPED = "stopped"
"""The file by which a process whose events are bad tells the others to stop."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def apply(options: Apply, pipeline: Pipeline, verb: Verb) -> None:
    """Apply the model of a command to the events of its files, and write the file that is asked for.

    Raises InputError, in all processes when in one, as `run` does, and for what the command names.
    """
    with contextlib.ExitStack() as stack:
        with devices.together():
            state = pipeline.load(options.model / CHECKPOINT)
            events = stack.enter_context(verb.events(options, state))
        work = verb.work(options, state, events)
        run(options, state, events, work)
        said = work.say(options.out) if devices.is_first() else ""
    if said:
        print(f"hepjax: {said}")


def run(options: Apply, state: State, source: Source, work: Work) -> None:
    """Apply a model to all events, and write the file that is asked for, whole or not at all.

    Each process works on chunks of its own; the first one joins them. Raises InputError, in all processes when in one,
    for bad events, for a file that cannot be written, and when a resumed run is asked for something else.
    """
    rows = chunk_rows(work.width)
    with _claimed(options, state, source, rows) as folder:
        parts = [folder / f"{number:06}.hdf5" for number in range(-(-len(source) // rows))]
        with devices.together():
            _work(work, source, parts, rows, options.out)
        with devices.together():
            if devices.is_first():
                whole = folder / f"whole{options.out.suffix}"
                work.finish(whole, parts, len(source))
                os.replace(whole, options.out)


def chunk_rows(width: int) -> int:
    """How many events of so many values are a chunk."""
    return min(max(CHUNK_BYTES // (4 * width) // ROWS, 1) * ROWS, MAX_ROWS)


def _work(work: Work, source: Source, parts: Sequence[Path], rows: int, out: Path) -> None:
    """Make those parts of this process that are not there yet.

    The next chunk is read, and the last one written, while one is computed.
    """
    process, processes = jax.process_index(), jax.process_count()
    own = range(len(parts) * process // processes, len(parts) * (process + 1) // processes)
    stopped = parts[0].with_name(STOPPED)
    missing = itertools.takewhile(lambda _: not stopped.exists(), (n for n in own if not parts[n].exists()))

    def numbers(part: int) -> np.ndarray:
        return np.arange(part * rows, min((part + 1) * rows, len(source)))

    def read(part: int) -> tuple[int, Any]:
        return part, source[part * rows : (part + 1) * rows]

    def apply(read: tuple[int, Any]) -> tuple[int, Any]:
        part, events = read
        return part, work.apply(events, numbers(part))

    def write(applied: tuple[int, Any]) -> int:
        part, made = applied
        try:
            work.write(parts[part], jax.tree.map(np.asarray, made))
        except InputError as error:  # about a file that the user does not know
            which = f" (of the events from {part * rows} on)" if part else ""
            raise InputError(str(error).replace(str(parts[part]), str(out)) + which) from error
        return len(numbers(part))

    total = sum(len(numbers(part)) for part in own)
    done = sum(len(numbers(part)) for part in own if parts[part].exists())
    try:
        with progress_bar(out.name, total) as show, ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
            show(done, "")
            for written in _ahead(writer, write, map(apply, _ahead(reader, read, missing))):
                show(done := done + written, "")
    except InputError:
        with contextlib.suppress(OSError):  # a full disk stops the others by itself
            stopped.touch()
        raise


def _ahead(pool: Executor, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of a function in the items' order, each computed while the caller has the one before."""
    last = None
    for item in items:
        following = pool.submit(function, item)
        if last is not None:
            yield last.result()
        last = following
    if last is not None:
        yield last.result()


@contextlib.contextmanager
def _claimed(options: Apply, state: State, source: Source, rows: int) -> Iterator[Path]:
    """The folder of the parts, which the first process makes, and removes when the block has succeeded."""
    folder = parts_of(options.out)
    with contextlib.ExitStack() as stack:
        with devices.together():
            if devices.is_first():
                asked = _asked(options, state, source, rows)
                runs.require_new_file(options.out, options.overwrite or (options.resume and folder.exists()))
                stack.enter_context(data.output.claim(folder, overwrite=options.overwrite, resume=options.resume))
                runs.require_asked(folder, asked)
                report.write_json(folder / runs.CONFIG, asked)
                (folder / STOPPED).unlink(missing_ok=True)
        yield folder
        if devices.is_first():
            shutil.rmtree(folder)


def _asked(options: Apply, state: State, source: Source, rows: int) -> dict[str, Any]:
    """What a run is asked for, which one that goes on with its parts must share."""
    model = {"spec": spec.encode(state.spec), "model_sha256": runs.digest(state[1:])}
    events = {"events_sha256": runs.digest(runs.rows_all_over(source)), "events": len(source), "rows": rows}
    return runs.asked(options) | model | events
