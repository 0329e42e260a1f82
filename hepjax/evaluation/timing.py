"""The time a generator takes for a shower, by the protocol of the CaloChallenge (arXiv:2410.21611)."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from hepjax.types import InputError, PRNGKey

BATCHES = (1, 100, 10_000)
REPEATS = 5
FURTHER = 1000


class Timing(NamedTuple):
    """Milliseconds a shower at one batch size: mean and standard deviation over repeated calls.

    note: what makes the numbers uncertain, or "". The mean is NaN where the measurement has no answer.
    """

    batch: int
    mean_ms: float
    spread_ms: float
    repeats: int
    note: str = ""


def timing(
    key: PRNGKey,
    sample: Callable[[PRNGKey, int], Any],
    batches: Sequence[int] = BATCHES,
    repeats: int = REPEATS,
) -> tuple[Timing, ...]:
    """Time `sample(key, batch)`, which returns a pytree of the arrays of `batch` showers, at each batch size.

    Each call gets a key of its own and counts until its arrays are there. A first call, which compiles, does not
    count. Raises InputError for fewer than two repeats, and batches of less than one shower.
    """
    _check(batches, repeats)
    return tuple(_timed(jax.random.fold_in(key, batch), sample, batch, repeats) for batch in batches)


def time_command(
    template: str, batches: Sequence[int] = BATCHES, repeats: int = REPEATS, further: int = FURTHER
) -> tuple[Timing, ...]:
    """Time a generator that is a command, at each batch size.

    template: words of the command, split as a shell does but run without one, in which `{showers}` is the number of
    showers to make, `{batch}` how many at a time, and `{out}`, where it is needed, a path to write them to. further:
    showers, rounded up to whole batches, by which a longer run exceeds one of a single batch. The difference of their
    times is that of these showers, so that start-up and compilation, which both have, do not count. A mean difference
    that is not positive, since start-up varies by more, is NaN. Raises InputError for a template without its fields, a
    command that fails, and as `timing` does.
    """
    _check(batches, repeats)
    missing = [field for field in ("{batch}", "{showers}") if field not in template]
    if missing:
        raise InputError(f"command {template!r} has no {' and no '.join(missing)}, expected both to be asked for")
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise InputError(f"command {template!r}: {error}, expected words as in a shell") from error
    return tuple(_timed_command(words, batch, repeats, max(1, -(-further // batch))) for batch in batches)


def table(timings: Sequence[Timing], device: str) -> str:
    """Timings as lines of text.

    >>> print(table([Timing(100, 0.5, 0.01, 5)], "cpu"))
        batch   ms a shower        spread  device
          100           0.5          0.01  cpu
    """
    rows = [f"{t.batch:>9}{t.mean_ms:>14.4g}{t.spread_ms:>14.2g}  {device}  {t.note}".rstrip() for t in timings]
    return "\n".join([f"{'batch':>9}{'ms a shower':>14}{'spread':>14}  device", *rows])


def _check(batches: Sequence[int], repeats: int) -> None:
    if repeats < 2:
        raise InputError(f"timing: {repeats} repeats, expected at least 2 for a spread")
    if not batches or min(batches) < 1:
        raise InputError(f"timing: batches {tuple(batches)}, expected one or more of at least 1 shower")


def _timed(key: PRNGKey, sample: Callable[[PRNGKey, int], Any], batch: int, repeats: int) -> Timing:
    warm_up, *keys = jax.block_until_ready(jax.random.split(key, repeats + 1))
    jax.block_until_ready(sample(warm_up, batch))
    seconds = []
    for one in keys:
        started = time.perf_counter()
        jax.block_until_ready(sample(one, batch))
        seconds.append(time.perf_counter() - started)
    return _timing(batch, np.array(seconds) / batch)


def _timed_command(words: Sequence[str], batch: int, repeats: int, more: int) -> Timing:
    """Time `more` batches beyond the first; long and short runs in turns, which a drifting machine slows alike."""
    _seconds(words, batch, batch)  # files and caches that a first run waits for
    lengths = (batch * (1 + more), batch)
    seconds = np.array([[_seconds(words, batch, showers) for showers in lengths] for _ in range(repeats)])
    return _timing(batch, (seconds[:, 0] - seconds[:, 1]) / (batch * more))


def _timing(batch: int, seconds: np.ndarray) -> Timing:
    """The record of seconds a shower, of repeats (n,); differences of times may be negative."""
    milliseconds = 1e3 * seconds
    mean, spread, lost = milliseconds.mean(), milliseconds.std(ddof=1), np.count_nonzero(milliseconds <= 0)
    note = f"{lost} of {len(seconds)} differences are not positive, time more showers" if lost else ""
    return Timing(batch, float(mean) if mean > 0 else np.nan, float(spread), len(seconds), note)


def _seconds(words: Sequence[str], batch: int, showers: int) -> float:
    with tempfile.TemporaryDirectory() as folder:
        fields = {"{batch}": str(batch), "{showers}": str(showers), "{out}": str(Path(folder) / "showers.hdf5")}
        filled = [_filled(word, fields) for word in words]
        started = time.perf_counter()
        _run(filled)
        return time.perf_counter() - started


def _filled(word: str, fields: dict[str, str]) -> str:
    for field, value in fields.items():
        word = word.replace(field, value)
    return word


def _run(words: Sequence[str]) -> None:
    name = f"command {shlex.join(words)}"
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
        )
    except OSError as error:
        raise InputError(f"{name}: cannot be run ({error.strerror}), expected a program") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing on standard error"]
        raise InputError(f"{name}: exit code {done.returncode} ({said[-1]}), expected 0")
