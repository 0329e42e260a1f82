"""Tables: pytrees whose leaves share a leading axis of events."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Integer, UInt32

from hepjax.training.shuffle import permutation
from hepjax.types import AnyArray, InputError, PRNGKey

Table = TypeVar("Table")


def length(table: Any, name: str) -> int:
    """Number of events of a table.

    Raises:
        InputError: the table is empty or its leaves differ in length.
    """
    lengths = {
        jax.tree_util.keystr(path) or "array": np.shape(leaf)[0] if np.ndim(leaf) else 0
        for path, leaf in jax.tree_util.tree_leaves_with_path(table)
    }
    if not lengths or not all(lengths.values()):
        raise InputError(f"{name}: expected arrays with at least one event each, found {lengths}")
    if len(set(lengths.values())) > 1:
        raise InputError(f"{name}: expected arrays of one length, found {lengths}")
    return next(iter(lengths.values()))


def split(key: PRNGKey, table: Table, fraction: float) -> tuple[Table, Table | None]:
    """Disjoint random (training, validation) parts; the second is None for a fraction of zero.

    Both parts hold at least one event, so a table of a single event has no validation part.
    """
    train, held = split_rows(key, length(table, "training data"), fraction)
    if not len(held):
        return table, None
    return take(table, train), take(table, held)


def normalised(table: Table, name: str) -> Table:
    """The table with weights of mean one, where it has any: leaves called `weight`, at any depth.

    The mean is taken once over the whole table, in float64, so that weights of any scale are as good as others, and
    the loss of a batch is the mean of weight times value (`losses.weighted_mean`).

    Raises:
        InputError: the mean of the weights is not above zero.
    """

    def leaf(path, x):
        return over(x, mean_weight(np.asarray(x), name)) if is_weight(path) else x

    return jax.tree_util.tree_map_with_path(leaf, table)


def is_weight(path: tuple[Any, ...]) -> bool:
    """Whether a leaf of a table holds the weights of its events."""
    return bool(path) and jax.tree_util.keystr(path[-1:]).strip("[]'.") == "weight"


def mean_weight(weight: AnyArray, name: str) -> float:
    """Mean of weights, in float64; raises InputError unless it is finite and above zero."""
    mean = float(np.mean(weight, dtype=np.float64))
    if not 0 < mean < np.inf:
        raise InputError(f"{name}: weights of mean {mean:g}, expected one above zero")
    return mean


def over(weight: AnyArray, mean: float) -> AnyArray:
    """Weights in units of their mean, in NumPy as they came or on the devices, divided before they are rounded."""
    relative = (np.asarray(weight, np.float64) / mean).astype(jnp.result_type(float))
    return jnp.asarray(relative) if isinstance(weight, jax.Array) else relative


def take(table: Table, rows: Integer[np.ndarray, " rows"]) -> Table:
    """The rows of a table: of arrays on the devices by one program for all of them, of NumPy's as one of NumPy's."""
    host = all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(table))
    return (_gathered if host else jax.jit(_gathered))(table, rows)


def _gathered(table: Table, rows: Integer[AnyArray, " rows"]) -> Table:
    return jax.tree.map(lambda x: x[rows], table)


def split_rows(
    key: PRNGKey, rows: int, fraction: float
) -> tuple[UInt32[np.ndarray, " train"], UInt32[np.ndarray, " held"]]:
    """Disjoint random rows to train on and to validate on, none of these for a fraction of zero; see `split`."""
    held = min(max(round(fraction * rows), 1), rows - 1) if fraction > 0 else 0
    order = np.asarray(jax.jit(permutation, static_argnums=1)(key, rows)) if held else np.arange(rows, dtype=np.uint32)
    return order[held:], order[:held]


@functools.partial(jax.jit, static_argnums=1)
def chunked(table: Table, batch_size: int) -> Table:
    """Equal chunks (chunks, rows, ...) of at most `batch_size` rows, the same whatever the devices.

    Fewer rows than there are chunks are dropped at the end, so that every chunk weighs the same.
    """
    rows = length(table, "validation data")
    chunks = -(-rows // batch_size)
    size = rows // chunks
    return jax.tree.map(lambda x: x[: chunks * size].reshape(chunks, size, *x.shape[1:]), table)


def bad_value(table: Any, name: str, first: int = 0) -> str | None:
    """The first value of a table that is no finite number, and where it is, in words; None where all are finite.

    first: the number of the first row.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(table):
        values = np.asarray(leaf)
        if jnp.issubdtype(values.dtype, jnp.inexact) and not np.isfinite(values).all():
            place = np.argwhere(~np.isfinite(values))[0]
            where = f" in row {first + place[0]}" if values.ndim else ""
            return f"{name}{jax.tree_util.keystr(path)} is {values[tuple(place)]}{where}, expected finite numbers"
    return None


def release(tree: Any) -> Any:
    """The tree as arrays of the default device, free to be used with arrays of any other."""
    return jax.tree.map(lambda x: jax.device_put(np.array(x)), tree)


def copy(tree: Any) -> Any:
    """The tree in memory of its own, which may be donated; without weak types, which would compile a second time."""
    return jax.tree.map(lambda x: jnp.array(x, dtype=jnp.result_type(x)), tree)
