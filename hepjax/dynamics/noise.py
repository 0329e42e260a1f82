"""Random numbers that belong to an event, not to its place in a batch.

Every event has the key `fold_in(key, row)`, and draws its noise from that alone. A table transported in chunks,
on several devices or under `vmap` therefore gives the same events as in one piece, given the same rows.
"""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from hepjax.draws import draw_normal
from hepjax.types import PRNGKey


def event_keys(
    key: PRNGKey, shape: tuple[int, ...], rows: Int[Array, "*batch"] | int | None = None
) -> Key[Array, "*batch"]:
    """One key per event, `fold_in(key, row)`.

    shape: the leading shape of the events. rows: their indices in the whole table, broadcast to `shape`; by default
    0, 1, 2 … in C order, which is right for a table in one piece (and for one event of shape ()).
    """
    rows = jnp.arange(math.prod(shape)).reshape(shape) if rows is None else jnp.broadcast_to(jnp.asarray(rows), shape)
    return jax.vmap(jax.random.fold_in, (None, 0))(key, rows.reshape(-1)).reshape(shape)


def event_noise(
    keys: Key[Array, "*batch"], step: Int[Array, ""] | int, dim: int, dtype=jnp.float32
) -> Float[Array, "*batch {dim}"]:
    """Standard normal noise of each event for one step of a chain; independent between steps."""

    def one(key):
        return draw_normal(jax.random.fold_in(key, step), (dim,), dtype)

    return jax.vmap(one)(keys.reshape(-1)).reshape(*keys.shape, dim)
