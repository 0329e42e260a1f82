"""The compiled part of training: epochs over a table that stays on the devices."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, UInt32

from hepjax.training.shuffle import permutation
from hepjax.training.table import copy
from hepjax.types import Loss, Params, PRNGKey


class Carry(NamedTuple):
    """What training changes: the parameters, their moving average, and the optimiser's state."""

    params: Params
    average: Params
    optimiser: optax.OptState


class Steps(NamedTuple):
    """What each step of an epoch consumes: its rows, key, learning rate and decay of the moving average."""

    rows: UInt32[Array, "steps batch"]
    key: PRNGKey
    rate: Float[Array, " steps"]
    decay: Float[Array, " steps"]


class Recipe(NamedTuple):
    """Everything but shapes and the loss that makes a compiled call another one."""

    batch_size: int
    weight_decay: float
    clip_norm: float
    accumulate: int
    mesh: Mesh


def optimiser(weight_decay: float, clip_norm: float) -> optax.GradientTransformation:
    """AdamW up to its learning rate (arXiv:1711.05101, alg. 2), after clipping by the global norm."""
    clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
    return optax.chain(clip, optax.scale_by_adam(), optax.add_decayed_weights(weight_decay))


@functools.lru_cache(maxsize=64)
def starter(recipe: Recipe) -> Callable[[Params], Carry]:
    """The jitted function of parameters that gives the carry before the first step, in memory of its own."""
    init = optimiser(recipe.weight_decay, recipe.clip_norm).init

    def start(params: Params) -> Carry:
        return Carry(copy(params), copy(params), init(ravel_pytree(params)[0]))

    return jax.jit(start, out_shardings=NamedSharding(recipe.mesh, PartitionSpec()))


@functools.lru_cache(maxsize=64)
def compiled(loss: Callable[[PRNGKey, Params, Any], Loss], recipe: Recipe) -> Callable:
    """The jitted call that trains for some epochs; the same loss and recipe give the same function.

    Returns `run(carry, key, table, held, epochs (k,), rates (k, steps), decays (k, steps)) -> (carry, history)`, with
    one entry an epoch in every array of the history. `held` are chunks for validation or None; `carry` is donated.
    """
    update = optimiser(recipe.weight_decay, recipe.clip_norm).update
    sharded = NamedSharding(recipe.mesh, PartitionSpec("data"))
    replicated = NamedSharding(recipe.mesh, PartitionSpec())

    def run(carry: Carry, key: PRNGKey, table: Any, held: Any, epochs: Array, rates: Array, decays: Array):
        train_key, validation_key = jax.random.split(key)
        count = jax.tree.leaves(table)[0].shape[0]
        # One vector holds all parameters: an update is then a few kernels, however many leaves a net has.
        params, unravel = ravel_pytree(carry.params)
        average, _ = ravel_pytree(carry.average)

        def piece(params: Array, key: PRNGKey, rows: Array):
            batch = jax.lax.with_sharding_constraint(_take(table, rows), sharded)
            return jax.value_and_grad(lambda params: loss(key, unravel(params), batch), has_aux=True)(params)

        def step(carry: Carry, xs: Steps):
            rows = xs.rows.reshape(recipe.accumulate, -1)
            (value, metrics), gradient = _mean_over(rows, xs.key, functools.partial(piece, carry.params))
            updates: Any
            updates, state = update(gradient, carry.optimiser, carry.params)
            params: Any = carry.params - xs.rate.astype(carry.params.dtype) * updates
            average = params + xs.decay.astype(params.dtype) * (carry.average - params)
            record = {"loss": value, "grad_norm": jnp.linalg.norm(gradient), **metrics}
            return Carry(params, average, state), record

        def epoch(carry: Carry, xs: tuple[Array, Array, Array]):
            number, rates, decays = xs
            row_key, step_key = jax.random.split(jax.random.fold_in(train_key, number))
            keys = jax.vmap(jax.random.fold_in, (None, 0))(step_key, jnp.arange(rates.size))
            rows = permutation(row_key, count)[: rates.size * recipe.batch_size]
            rows = rows.reshape(rates.size, recipe.batch_size)
            carry, records = jax.lax.scan(step, carry, Steps(rows, keys, rates, decays))
            history = jax.tree.map(jnp.mean, records)
            if held is not None:
                history |= _validate(loss, validation_key, unravel(carry.average), held, sharded)
            return carry, history

        carry, history = jax.lax.scan(epoch, Carry(params, average, carry.optimiser), (epochs, rates, decays))
        return Carry(unravel(carry.params), unravel(carry.average), carry.optimiser), history

    return jax.jit(run, donate_argnums=0, out_shardings=replicated)


def _mean_over(rows: UInt32[Array, "pieces rows"], key: PRNGKey, function: Callable[[PRNGKey, Array], Any]) -> Any:
    """Mean of a pytree over the pieces of a batch, one after the other; a single piece has the key itself."""
    if len(rows) == 1:
        return function(key, rows[0])
    keys = jax.random.split(key, len(rows))
    total = jax.eval_shape(function, keys[0], rows[0])

    def add(total, xs):
        return jax.tree.map(jnp.add, total, function(*xs)), None

    total, _ = jax.lax.scan(add, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), total), (keys, rows))
    return jax.tree.map(lambda x: x / len(rows), total)


def _take(table: Any, rows: UInt32[Array, " batch"]) -> Any:
    return jax.tree.map(lambda x: x.at[rows].get(mode="promise_in_bounds"), table)


def _validate(loss: Callable, key: PRNGKey, params: Params, held: Any, sharded: NamedSharding) -> dict[str, Array]:
    """Mean loss and metrics of the chunks; the key is the same in every epoch, so that epochs compare."""
    chunks, size = jax.tree.leaves(held)[0].shape[:2]
    # A chunk that does not divide over the devices is computed on each of them: slower, and the same numbers.
    divides = size % sharded.mesh.size == 0

    def chunk(xs):
        number, batch = xs
        batch = jax.lax.with_sharding_constraint(batch, sharded) if divides else batch
        value, metrics = loss(jax.random.fold_in(key, number), params, batch)
        return {"val_loss": value, **{f"val_{name}": metric for name, metric in metrics.items()}}

    return jax.tree.map(jnp.mean, jax.lax.map(chunk, (jnp.arange(chunks), held)))
