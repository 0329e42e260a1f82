"""Training on a table that stays on disk: window by window, the next one read by grain while the last one trains.

A window is as many steps of an epoch as `Config.window` has events, one compiled call. All windows of all epochs have
one number, which is the position of the reader: in a checkpoint it says where to go on, inside of an epoch too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, UInt32

from hepjax import devices
from hepjax.training import epoch, stream
from hepjax.training.plan import Plan
from hepjax.training.stream import Source
from hepjax.types import InputError, PRNGKey


class Windows:
    """The windows of a fit as grain reads them: item i is window i % count of epoch i // count.

    An item is a pytree of (steps, pieces, size, ...): of every piece of a batch the part that this process trains on.
    All have one shape; what the last one may lack is zero.
    """

    def __init__(self, key: PRNGKey, source: Source, recipe: epoch.Recipe, epochs: int):
        self.source, self.recipe, self.epochs = source, recipe, epochs
        steps = len(source) // recipe.batch_size
        self.first = np.arange(0, steps, recipe.window_steps)
        self.count = len(self.first)
        self.steps = np.diff(self.first, append=steps)
        self.size = recipe.batch_size // recipe.accumulate
        self.own = _own(recipe.mesh, self.size)
        self._order = _order(key, len(source), recipe)

    def __len__(self) -> int:
        return self.epochs * self.count

    def __getitem__(self, index: int) -> Any:
        number, window = divmod(int(index), self.count)
        start, stop = (self.first[window] + np.array([0, self.steps[window]])) * self.recipe.batch_size
        rows = self._order(number)[start:stop].reshape(-1, self.recipe.accumulate, self.size)[..., self.own]
        events = _read(self.source, rows.reshape(-1), self.recipe.block, self.recipe.window_steps * rows[0].size)
        return jax.tree.map(lambda x: x.reshape(-1, *rows.shape[1:], *x.shape[1:]), events)


class Trainer:
    """Epochs of a fit on a table on disk, in the order and with the keys of one in memory.

    windows: their number in an epoch.
    """

    def __init__(
        self,
        key: PRNGKey,
        source: Source,
        held: Any,
        loss: Callable,
        encode: epoch.Encode,
        recipe: epoch.Recipe,
        plan: Plan,
    ):
        self._key, self._plan, self._mesh = key, plan, recipe.mesh
        self._constants, self._held = devices.replicate((encode.constants, held), recipe.mesh)
        self._run = epoch.compiled_window(loss, recipe, encode.function)
        self._validate = epoch.compiled_validation(loss, recipe, encode.function)
        self._source = Windows(key, source, recipe, len(plan.rates))
        self._reader = _reader(self._source)
        self._sums: list[dict[str, Any]] = []  # of the windows of the epoch that is under way
        self.windows = self._source.count

    def advance(self, carry: epoch.Carry, done: int) -> tuple[epoch.Carry, dict[str, np.ndarray] | None]:
        """Train on the next window, when `done` epochs are: the carry, and the history of an epoch that this ended."""
        window = len(self._sums)
        with devices.together():
            events = next(self._reader)
        events = _place(events, self._mesh)
        first, count = self._source.first[window], self._source.steps[window]
        rates, decays = (
            np.pad(x[done, first : first + count], (0, self._source.recipe.window_steps - count))
            for x in (self._plan.rates, self._plan.decays)
        )
        carry, sums = self._run(carry, self._key, events, self._constants, done, first, count, rates, decays)
        # One window trains while this one waits: more of them would be more memory.
        jax.block_until_ready(self._sums[-1:])
        self._sums.append(sums)
        return carry, self._history(carry) if len(self._sums) == self.windows else None

    def number(self, done: int) -> int:
        """Number of windows trained on when `done` epochs are."""
        return done * self.windows + len(self._sums)

    def position(self) -> dict[str, Any]:
        """Where the fit is, as JSON, for `seek`."""
        sums = [{name: float(value) for name, value in window.items()} for window in self._sums]
        return {"reader": self._reader.get_state(), "sums": sums}

    def seek(self, position: dict[str, Any]) -> None:
        """Go on where another trainer of the same fit was."""
        self._reader.set_state(position["reader"])
        self._sums = position["sums"]

    def close(self) -> None:
        """Stop reading."""
        self._reader.close()

    def _history(self, carry: epoch.Carry) -> dict[str, np.ndarray]:
        """Means over the steps, each an array of the one epoch."""
        steps, windows = self._source.steps.sum(), jax.device_get(self._sums)
        history = {name: sum(float(window[name]) for window in windows) / steps for name in windows[0]}
        if self._held is not None:
            history |= jax.device_get(self._validate(self._key, carry.average, self._constants, self._held))
        self._sums = []
        return {name: np.reshape(value, 1) for name, value in history.items()}


def _read(source: Source, rows: UInt32[np.ndarray, " n"], block: int, length: int) -> Any:
    """Rows of a source in any order, each block of it read at once, and zeros up to `length` rows."""
    places = np.argsort(rows)
    rising = rows[places].astype(np.int64)
    starts = np.flatnonzero(np.diff(rising // block, prepend=-1))
    filled: list[np.ndarray] = []
    for start, stop in zip(starts, [*starts[1:], len(rows)], strict=True):
        first, last = int(rising[start]), int(rising[stop - 1])
        events = stream.pick(source[first : last + 1], rising[start:stop] - first)
        leaves, structure = jax.tree.flatten(events)
        filled = filled or [np.zeros((length, *leaf.shape[1:]), leaf.dtype) for leaf in leaves]
        for whole, leaf in zip(filled, leaves, strict=True):
            whole[places[start:stop]] = leaf
    return jax.tree.unflatten(structure, filled)


def _order(key: PRNGKey, rows: int, recipe: epoch.Recipe) -> Callable[[int], UInt32[np.ndarray, " rows"]]:
    """The function from an epoch to its order of rows, as those in memory have it, which keeps the last two."""
    data, kind = np.asarray(jax.random.key_data(key)), jax.random.key_impl(key)

    @functools.lru_cache(maxsize=2)
    def order(number: int) -> UInt32[np.ndarray, " rows"]:
        # Not in the queue of the device that trains.
        with jax.default_device(_host()):
            return np.asarray(_ordered(data, kind, number, rows, recipe))

    return order


@functools.partial(jax.jit, static_argnames=("kind", "rows", "recipe"))
def _ordered(data: Array, kind: Any, number: Array, rows: int, recipe: epoch.Recipe) -> Array:
    train_key, _ = jax.random.split(jax.random.wrap_key_data(data, impl=kind))
    return epoch.order(train_key, number, rows, recipe)


def _host() -> Any:
    """The processor, as a device."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:  # JAX was told to do without
        return jax.local_devices()[0]


def _own(mesh: Mesh, size: int) -> slice:
    """The part of a piece of `size` events that lies on the devices of this process."""
    each = size // mesh.size
    mine = [i for i, device in enumerate(mesh.devices.flat) if device.process_index == jax.process_index()]
    return slice(mine[0] * each, (mine[-1] + 1) * each)


def _place(events: Any, mesh: Mesh) -> Any:
    """A window on the devices, its pieces shared among them."""
    sharding = NamedSharding(mesh, PartitionSpec(None, None, "data"))
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), events)


def _reader(windows: Windows) -> Any:
    """grain's iterator over the windows of a fit, one of them read ahead."""
    try:
        import grain
    except ImportError:
        raise InputError("training from disk needs grain; expected `pip install hepjax[stream]`") from None
    options = grain.ReadOptions(num_threads=1, prefetch_buffer_size=1)
    return iter(grain.MapDataset.source(windows).to_iter_dataset(options))
