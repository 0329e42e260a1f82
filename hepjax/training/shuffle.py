"""Keyed orders of a table without a sort, so that shuffling a large one costs next to nothing of an epoch."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, UInt32

from hepjax.types import PRNGKey

ROUNDS = 32


def permutation(key: PRNGKey, n: int) -> UInt32[Array, " n"]:
    """Random permutation of 0 .. n-1 by the swap-or-not shuffle (arXiv:1208.1176, fig. 1).

    Each round reflects every row at a random pivot and lets a hash of the pair decide whether it moves. `n` may be
    anything below 2^31. A sort of random numbers takes twenty times as long on a CPU for 64,000 rows.
    """
    pivot_key, salt_key = jax.random.split(key)
    pivots = jax.random.randint(pivot_key, (ROUNDS,), 0, n, dtype=jnp.uint32)
    salts = jax.random.bits(salt_key, (ROUNDS,), dtype=jnp.uint32)

    def swap_or_not(i, x):
        partner = jnp.where(pivots[i] >= x, pivots[i] - x, pivots[i] + n - x)
        coin = _mix(jnp.maximum(x, partner) ^ salts[i]) >> 31
        return jnp.where(coin == 1, partner, x)

    return jax.lax.fori_loop(0, ROUNDS, swap_or_not, jnp.arange(n, dtype=jnp.uint32))


def windowed(key: PRNGKey, n: int, windows: int, window: int, block: int) -> UInt32[Array, " n"]:
    """Random order of 0 .. n-1 in `windows` windows, whose rows lie in a few blocks: for tables read from disk.

    Blocks of `block` neighbouring rows come in random order, and the rows of each window of that sequence are shuffled:
    a window mixes the rows of window / block places of the table. They are of `window` rows each, the last one of those
    that are left. One window of all rows is a `permutation`.
    """
    if windows == 1:
        return permutation(key, n)
    block_key, row_key = jax.random.split(key)
    whole, start = n // block, (windows - 1) * window
    rows = jnp.arange(n, dtype=jnp.uint32)
    if whole > 1:
        first = permutation(block_key, whole) * jnp.uint32(block)
        # The rows beyond the last whole block stay at the end.
        rows = rows.at[: whole * block].set((first[:, None] + rows[:block]).reshape(-1))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(row_key, jnp.arange(windows))
    inside = jax.vmap(lambda key: permutation(key, window))(keys[:-1])
    inside = inside + jnp.arange(0, start, window, dtype=jnp.uint32)[:, None]
    last = permutation(keys[-1], n - start) + jnp.uint32(start)
    return rows[jnp.concatenate([inside.reshape(-1), last])]


def _mix(x: UInt32[Array, " n"]) -> UInt32[Array, " n"]:
    """Integer hash `lowbias32` (C. Wellons, Prospecting for Hash Functions, 2018), up to its last step."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    return (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
