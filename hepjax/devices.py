"""The devices that share the work: some of this process, and those of all processes of a job.

    with devices.use("all"):
        state = squirels.fit(key, fast, full)      # every batch is shared
        refined = squirels.refine(key, state, fast)  # every device takes its part of the events

Outside of `use` one device does all. Processes share training alone: each one applies a model to events of its own.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Literal, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from hepjax.types import AnyArray, InputError

Count = int | Literal["all"]
Tree = TypeVar("Tree")

AXIS = "data"
_USED: ContextVar[Count] = ContextVar("devices", default=1)


@contextlib.contextmanager
def use(count: Count) -> Iterator[None]:
    """Share the work of a block among the first `count` devices of every process, or among all of them.

    Raises InputError for fewer than one device, or more than there are.
    """
    present = jax.local_device_count()
    if count != "all" and not 1 <= count <= present:
        raise InputError(f"devices: {count} are asked for, expected all, or between 1 and the {present} present")
    token = _USED.set(count)
    try:
        yield
    finally:
        _USED.reset(token)


def mesh() -> Mesh:
    """The devices that share training, of all processes, process by process; its one axis is `data`."""
    by_process = [jax.local_devices(process) for process in range(jax.process_count())]
    return Mesh(np.array([device for present in by_process for device in _used(present)]), (AXIS,))


def own_mesh() -> Mesh:
    """Those of this process."""
    return Mesh(np.array(_used(jax.local_devices())), (AXIS,))


def replicate(tree: Tree, mesh: Mesh) -> Tree:
    """The tree as arrays on every device of the mesh; every process has the same to give."""
    sharding = NamedSharding(mesh, PartitionSpec())
    if not mesh.is_multi_process:
        return jax.device_put(tree, sharding)
    return jax.tree.map(lambda x: _put(np.asarray(x), sharding), tree)


def over_events(
    function: Callable[..., Any],
    fixed: tuple[Any, ...],
    events: tuple[Any, ...],
    rows: Int[AnyArray, " n"] | None = None,
    size: int | None = None,
) -> Any:
    """`function(*fixed, *events, rows)` of a table of events, shared among the devices of this process.

    Events go to the devices in pieces of at most `size` each, all of one shape, so that the function compiles once.

    Args:
        function: of a table, whose events do not depend on each other; the same object in every call, for another one
            compiles anew.
        fixed: pytrees that all events share, such as a key and parameters.
        events: pytrees of arrays (n, ...).
        rows: numbers of the events, which decide their noise; 0 to n - 1 by default.
        size: events of one device at a time; by default its whole share.

    Returns:
        A pytree of arrays (n, ...).
    """
    n, mesh = len(jax.tree.leaves(events)[0]), own_mesh()
    table = (*events, jnp.arange(n) if rows is None else jnp.asarray(rows))
    run = _shared(function, mesh, len(fixed), len(table)) if mesh.size > 1 else function
    fixed = replicate(fixed, mesh) if mesh.size > 1 else fixed
    piece = min(size or n, -(-n // mesh.size)) * mesh.size
    if piece == n:
        return run(*fixed, *table)
    done = []
    for start in range(0, n, piece):
        taken = np.minimum(np.arange(start, start + piece), n - 1)
        done.append(run(*fixed, *jax.tree.map(lambda x: x[taken], table)))  # noqa: B023 - used at once
    return jax.tree.map(lambda *pieces: jnp.concatenate(pieces)[:n], *done)


def join(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> None:
    """Join the other processes of a job, before anything else is done with JAX.

    Without arguments JAX reads what SLURM, Open MPI or Kubernetes say; otherwise coordinator is the `host:port` of the
    first process, and process the number of this one. Raises InputError where that cannot be, or nobody answers.
    """
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"distributed: cannot join the job's processes ({reason})") from error


def is_first() -> bool:
    """Whether this process is the one that prints and writes."""
    return jax.process_index() == 0


def wait(name: str) -> None:
    """Wait until all processes have come here; name: the same in all of them."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def of_first(value: float) -> float:
    """The number that the first process has."""
    return float(multihost_utils.broadcast_one_to_all(np.float64(value))) if jax.process_count() > 1 else value


@contextlib.contextmanager
def together() -> Iterator[None]:
    """A block that fails with InputError in all processes when it does in one: the others would wait for ever."""
    error = None
    try:
        yield
    except InputError as raised:
        error = raised
    texts = gathered(np.frombuffer(str(error or "").encode(), np.uint8))
    if error is not None:
        raise error
    if len(texts):
        raise InputError(texts.tobytes().decode(errors="replace"))


def gathered(share: np.ndarray) -> np.ndarray:
    """The rows of all processes, process by process. share: the rows (n, ...) of this one; n may differ."""
    if jax.process_count() == 1:
        return share
    lengths = multihost_utils.process_allgather(np.array(len(share)))
    if not lengths.any():
        return share
    padded = np.zeros((lengths.max(), *share.shape[1:]), share.dtype)
    padded[: len(share)] = share
    everything = multihost_utils.process_allgather(padded)
    return np.concatenate([rows[:length] for rows, length in zip(everything, lengths, strict=True)])


def _used(present: list[Any]) -> list[Any]:
    count = _USED.get()
    return present if count == "all" else present[:count]


@functools.lru_cache(maxsize=64)
def _shared(function: Callable[..., Any], mesh: Mesh, fixed: int, table: int) -> Callable[..., Any]:
    """The jitted function whose last `table` arguments and results are split over the devices."""
    specs = (*(PartitionSpec(),) * fixed, *(PartitionSpec(AXIS),) * table)
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False))


def _put(x: np.ndarray, sharding: NamedSharding) -> jax.Array:
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
