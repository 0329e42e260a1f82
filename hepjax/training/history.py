"""The record of a fit: one row an epoch."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float

from hepjax import devices
from hepjax.files import atomic_write

PART = "part"
FIRST = ("epoch", "loss", "val_loss", "score", "learning_rate", "grad_norm")
History = dict[str, Float[np.ndarray, " epochs"]]


class TrainingError(FloatingPointError):
    """Training left the finite numbers: one line that names the fit, the epoch and the quantity."""


def extend(history: Mapping[str, np.ndarray], rows: Mapping[str, np.ndarray]) -> History:
    """The history with the rows of further epochs."""
    order = sorted(rows, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    return {name: np.append(history.get(name, []), rows[name]) for name in order}


def check_finite(rows: Mapping[str, np.ndarray], name: str, cause: Callable[[], str | None]) -> None:
    """Raise `TrainingError` for the first epoch whose loss, gradient or validation loss is not finite.

    The loss and the gradient are means over an epoch's steps, so that one bad step shows. cause: what is to blame, or
    None.
    """
    for quantity in ("loss", "grad_norm", "val_loss"):
        bad = ~np.isfinite(rows.get(quantity, 0.0))
        if np.any(bad):
            epoch = int(rows["epoch"][np.argmax(bad)])
            why = cause() or "a smaller learning rate may help"
            raise TrainingError(f"{name}: {quantity} is not finite in epoch {epoch}; {why}")


@devices.by_first
def write_history(path: str | os.PathLike[str], history: Mapping[str, np.ndarray]) -> None:
    """Write a history as CSV, a column a quantity and a row an epoch; whole or not at all."""
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(history)
        writer.writerows(zip(*(column.tolist() for column in history.values()), strict=True))


@devices.by_first
def write_histories(path: str | os.PathLike[str], histories: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write the histories of several fits below each other, named in the column `part`; their columns may differ."""
    names = list(dict.fromkeys(name for history in histories.values() for name in history))
    with atomic_write(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, [PART, *names])
        writer.writeheader()
        for part, history in histories.items():
            columns = zip(*(column.tolist() for column in history.values()), strict=True)
            writer.writerows({PART: part, **dict(zip(history, row, strict=True))} for row in columns)


def read_histories(path: str | os.PathLike[str]) -> dict[str, dict[str, list[float]]]:
    """The columns of every part of a file of `write_histories`; where a part lacks a column, its numbers are NaN."""
    histories: dict[str, dict[str, list[float]]] = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            history = histories.setdefault(row.pop(PART), {name: [] for name in row})
            for name, value in row.items():
                history[name].append(float(value or "nan"))
    return histories
