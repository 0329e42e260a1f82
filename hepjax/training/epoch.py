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
from jaxtyping import Array, Float, Key, UInt32

from hepjax.caching import cached
from hepjax.training.shuffle import windowed
from hepjax.training.table import copy
from hepjax.types import Constants, Loss, Params, PRNGKey


class Carry(NamedTuple):
    """What training changes: the parameters, their moving average, and the optimiser's state."""

    params: Params
    average: Params
    optimiser: optax.OptState


class Steps(NamedTuple):
    """What each step of an epoch consumes: its events in pieces, key, learning rate and decay of the moving average.

    events: rows of a table (steps, pieces, size), or a pytree of the events themselves (steps, pieces, size, ...).
    """

    events: Any
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
    window_steps: int
    block: int


def optimiser(weight_decay: float, clip_norm: float) -> optax.GradientTransformation:
    """AdamW up to its learning rate (arXiv:1711.05101, alg. 2), after clipping by the global norm."""
    clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
    return optax.chain(clip, optax.scale_by_adam(), optax.add_decayed_weights(weight_decay))


class Encode(NamedTuple):
    """How raw events become the model's, inside of the compiled step: with fresh noise in every epoch, for instance.

    function: (key, constants, raw batch) -> batch; the same object in every fit, since another one compiles anew. None
    leaves events as they are. constants: pytree of arrays.
    """

    function: Callable[[PRNGKey, Constants, Any], Any] | None = None
    constants: Constants = None


@cached
def starter(loss: Callable, recipe: Recipe) -> Callable[[Params], Carry]:
    """The jitted function of parameters that gives the carry before the first step, in memory of its own.

    One for each loss, as all that is compiled for the shapes of a model, so that it goes when the model does.
    """
    del loss
    init = optimiser(recipe.weight_decay, recipe.clip_norm).init

    def start(params: Params) -> Carry:
        return Carry(copy(params), copy(params), init(ravel_pytree(params)[0]))

    return jax.jit(start, out_shardings=NamedSharding(recipe.mesh, PartitionSpec()))


@cached
def copier(loss: Callable) -> Callable[[Params], Params]:
    """The jitted copy of a model's parameters."""
    del loss
    return jax.jit(lambda params: copy(params))


@cached
def compiled(loss: Callable[[PRNGKey, Params, Any], Loss], recipe: Recipe, encode: Callable | None = None) -> Callable:
    """The jitted call that trains for some epochs; the same loss, recipe and encode give the same function.

    Returns `run(carry, key, table, constants, held, epochs (k,), rates (k, steps), decays (k, steps)) -> (carry,
    history)`, with one entry an epoch in every array of the history. `held` are chunks for validation or None,
    constants those of `encode`; `carry` is donated.
    """
    sharded = NamedSharding(recipe.mesh, PartitionSpec("data"))

    def run(carry: Carry, key: PRNGKey, table: Any, constants: Any, held: Any, epochs: Array, rates, decays):
        train_key, validation_key = jax.random.split(key)
        count = jax.tree.leaves(table)[0].shape[0]
        flat, unravel = _ravel(carry)

        def take(rows):
            return jax.lax.with_sharding_constraint(_take(table, rows), sharded)

        step = _step(_encoded(loss, encode, constants), recipe, unravel, take)

        def epoch(carry: Carry, xs: tuple[Array, Array, Array]):
            number, rates, decays = xs
            keys = _step_keys(train_key, number, jnp.arange(rates.size))
            rows = order(train_key, number, count, recipe)[: rates.size * recipe.batch_size]
            rows = rows.reshape(rates.size, recipe.accumulate, -1)
            carry, records = jax.lax.scan(step, carry, Steps(rows, keys, rates, decays))
            history = jax.tree.map(jnp.mean, records)
            if held is not None:
                loss_of = _encoded(loss, encode, constants)
                history |= _validate(loss_of, validation_key, unravel(carry.average), held, sharded)
            return carry, history

        carry, history = jax.lax.scan(epoch, flat, (epochs, rates, decays))
        return _unravel(carry, unravel), history

    return jax.jit(run, donate_argnums=0, out_shardings=NamedSharding(recipe.mesh, PartitionSpec()))


@cached
def compiled_window(loss: Callable, recipe: Recipe, encode: Callable | None = None) -> Callable:
    """The jitted call that trains on the events of a window, read from disk, as `compiled` does on a table.

    Returns `run(carry, key, events, constants, epoch, first, count, rates, decays) -> (carry, sums)`. events: pytree of
    (steps, pieces, size, ...), of which `count` steps are taken; `first` is the number of the first in its epoch, rates
    and decays (steps,) are theirs. sums: of every quantity of the history over the steps. `carry` is donated.
    """

    def run(carry: Carry, key: PRNGKey, events: Any, constants: Any, epoch, first, count, rates, decays):
        train_key, _ = jax.random.split(key)
        keys = _step_keys(train_key, epoch, first + jnp.arange(rates.size))
        steps = Steps(events, keys, rates, decays)
        flat, unravel = _ravel(carry)
        step = _step(_encoded(loss, encode, constants), recipe, unravel, lambda events: events)

        def one(i, done):
            carry, record = step(done[0], jax.tree.map(lambda x: x[i], steps))
            return carry, jax.tree.map(jnp.add, done[1], record)

        _, record = jax.eval_shape(step, flat, jax.tree.map(lambda x: x[0], steps))
        sums = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), record)
        carry, sums = jax.lax.fori_loop(0, count, one, (flat, sums))
        return _unravel(carry, unravel), sums

    return jax.jit(run, donate_argnums=0, out_shardings=NamedSharding(recipe.mesh, PartitionSpec()))


@cached
def compiled_validation(loss: Callable, recipe: Recipe, encode: Callable | None = None) -> Callable:
    """The jitted `run(key, params, constants, held) -> history` of an epoch's validation, as in `compiled`."""
    sharded = NamedSharding(recipe.mesh, PartitionSpec("data"))

    def run(key: PRNGKey, params: Params, constants: Any, held: Any):
        _, validation_key = jax.random.split(key)
        return _validate(_encoded(loss, encode, constants), validation_key, params, held, sharded)

    return jax.jit(run)


def order(train_key: PRNGKey, epoch: Array | int, rows: int, recipe: Recipe) -> UInt32[Array, " rows"]:
    """The order in which an epoch takes its rows; those beyond its last whole batch are left out."""
    row_key, _ = jax.random.split(jax.random.fold_in(train_key, epoch))
    windows = -(-(rows // recipe.batch_size) // recipe.window_steps)
    return windowed(row_key, rows, windows, recipe.window_steps * recipe.batch_size, recipe.block)


def _step_keys(train_key: PRNGKey, epoch: Array, steps: Array) -> Key[Array, " steps"]:
    _, step_key = jax.random.split(jax.random.fold_in(train_key, epoch))
    return jax.vmap(jax.random.fold_in, (None, 0))(step_key, steps)


def _step(loss: Callable, recipe: Recipe, unravel: Callable[[Array], Params], take: Callable[[Any], Any]) -> Callable:
    """The function (carry, `Steps` of one step) -> (carry, record). take: from a piece of `Steps.events` to events."""
    update = optimiser(recipe.weight_decay, recipe.clip_norm).update

    def piece(params: Array, key: PRNGKey, events: Any):
        batch = take(events)
        return jax.value_and_grad(lambda params: loss(key, unravel(params), batch), has_aux=True)(params)

    def step(carry: Carry, xs: Steps):
        (value, metrics), gradient = _mean_over(xs.events, xs.key, functools.partial(piece, carry.params))
        updates: Any
        updates, state = update(gradient, carry.optimiser, carry.params)
        params: Any = carry.params - xs.rate.astype(carry.params.dtype) * updates
        average = params + xs.decay.astype(params.dtype) * (carry.average - params)
        record = {"loss": value, "grad_norm": jnp.linalg.norm(gradient), **metrics}
        return Carry(params, average, state), record

    return step


def _encoded(loss: Callable, encode: Callable | None, constants: Any) -> Callable[[PRNGKey, Params, Any], Loss]:
    """The loss of raw events."""
    if encode is None:
        return loss

    def of_raw(key: PRNGKey, params: Params, events: Any) -> Loss:
        encode_key, loss_key = jax.random.split(key)
        return loss(loss_key, params, encode(encode_key, constants, events))

    return of_raw


def _ravel(carry: Carry) -> tuple[Carry, Callable[[Array], Params]]:
    """The carry with one vector of all parameters: an update is then a few kernels, however many leaves a net has."""
    params, unravel = ravel_pytree(carry.params)
    average, _ = ravel_pytree(carry.average)
    return Carry(params, average, carry.optimiser), unravel


def _unravel(carry: Carry, unravel: Callable[[Array], Params]) -> Carry:
    return Carry(unravel(carry.params), unravel(carry.average), carry.optimiser)


def _mean_over(events: Any, key: PRNGKey, function: Callable[[PRNGKey, Any], Any]) -> Any:
    """Mean of a pytree over the pieces of a batch, one after the other; a single piece has the key itself."""
    pieces = len(jax.tree.leaves(events)[0])
    if pieces == 1:
        return function(key, jax.tree.map(lambda x: x[0], events))
    keys = jax.random.split(key, pieces)
    total = jax.eval_shape(function, keys[0], jax.tree.map(lambda x: x[0], events))

    def add(total, xs):
        return jax.tree.map(jnp.add, total, function(*xs)), None

    total, _ = jax.lax.scan(add, jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), total), (keys, events))
    return jax.tree.map(lambda x: x / pieces, total)


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
