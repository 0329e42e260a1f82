"""Events to train on that stay on disk."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Integer

from hepjax.training import table
from hepjax.types import PRNGKey

PASS = 1024  # rows read at a time in a pass through a table


@runtime_checkable
class Source(Protocol):
    """A table on disk: its length, and slices of it as a pytree of NumPy arrays (rows, ...).

    It is read in threads other than the one that opened it. Raises InputError where it cannot be read.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


class Stream(NamedTuple):
    """What `fit` takes in place of a table in memory, to read it window by window in every epoch.

    mean_weight: of the events, where they have weights; None takes a pass through the table before the first epoch.
    """

    source: Source
    mean_weight: float | None = None


@dataclasses.dataclass(frozen=True)
class Part:
    """Some rows of a source, rising; neighbours in the part are near each other in the source."""

    source: Source
    rows: Integer[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: slice, /) -> Any:
        taken = self.rows[rows]
        first = int(taken[0])
        return pick(self.source[first : int(taken[-1]) + 1], taken - first)


@dataclasses.dataclass(frozen=True)
class Weighted:
    """A source whose weights are divided by their mean."""

    source: Source
    mean: float

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, rows: slice, /) -> Any:
        def leaf(path, x):
            return table.over(x, self.mean) if table.is_weight(path) else x

        return jax.tree_util.tree_map_with_path(leaf, self.source[rows])


def normalised(stream: Stream, name: str) -> Stream:
    """The stream with weights of mean one, where it has any; raises InputError as `table.normalised` does."""
    if not _weights(stream.source[:1]):
        return stream
    mean = stream.mean_weight
    if mean is None:
        mean = sum(np.sum(w, dtype=np.float64) for piece in pieces(stream.source) for w in _weights(piece))
        mean = float(mean) / len(stream.source)
    return Stream(Weighted(stream.source, table.mean_weight(np.array(mean), name)))


def _weights(events: Any) -> list[np.ndarray]:
    return [x for path, x in jax.tree_util.tree_leaves_with_path(events) if table.is_weight(path)]


def pick(events: Any, rows: Integer[np.ndarray, " n"]) -> Any:
    """Rising rows of a pytree of arrays, which is not copied where these are all."""
    return jax.tree.map(lambda x: x if len(x) == len(rows) else x[rows], events)


def read(source: Source, *parts: Integer[np.ndarray, " _"]) -> tuple[Any, ...]:
    """Several parts of a table, each of rising rows, in one pass through all of it."""
    found: list[list[Any]] = [[] for _ in parts]
    for start, piece in zip(range(0, len(source), PASS), pieces(source), strict=True):
        for rows, into in zip(parts, found, strict=True):
            low, high = np.searchsorted(rows, (start, start + PASS))
            into.append(pick(piece, rows[low:high] - start))
    return tuple(jax.tree.map(lambda *xs: np.concatenate(xs), *part) for part in found)


def pieces(source: Source) -> Iterator[Any]:
    """All rows of a table, some at a time."""
    return (source[start : start + PASS] for start in range(0, len(source), PASS))


def bad_value(data: Any, name: str) -> str | None:
    """As `table.bad_value`, of a table in memory or a `Stream`, which is read to the first bad value."""
    if not isinstance(data, Stream):
        return table.bad_value(data, name)
    found = (table.bad_value(piece, name, n * PASS) for n, piece in enumerate(pieces(data.source)))
    return next(filter(None, found), None)


def split(key: PRNGKey, stream: Stream, fraction: float) -> tuple[Stream, Any | None]:
    """Disjoint random parts: a stream to train on, and events for validation in memory, None for a fraction of zero."""
    train, held = map(np.sort, table.split_rows(key, len(stream.source), fraction))
    if not len(held):
        return stream, None
    return Stream(Part(stream.source, train)), read(stream.source, held)[0]
