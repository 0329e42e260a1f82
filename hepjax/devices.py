"""The devices that share the work: some of this process, and those of all processes of a job.

    with devices.use("all"):
        state = squirels.fit(key, fast, full)      # every batch is shared
        refined = squirels.refine(key, state, fast)  # every device takes its part of the events

Outside of `use` one device does all. Processes share training; each one applies a model to events of its own, of a
file to chunks of its own (`hepjax.streams`). What they do beside it, they do alike on the same data, so that they take
the same decisions; they talk to each other here alone. Each message says what it is, so that one that has failed is
heard wherever the others are.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import logging
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Literal, ParamSpec, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Int

from hepjax.caching import cached
from hepjax.types import AnyArray, InputError

Count = int | Literal["all"]
Tree = TypeVar("Tree")
P = ParamSpec("P")

AXIS = "data"
PIECE_BYTES = 1 << 26  # what processes send each other at a time
_HEARD = "_heard"  # an attribute of errors that all processes know of
_USED: ContextVar[Count] = ContextVar("devices", default=1)
_TOGETHER: ContextVar[bool] = ContextVar("together", default=False)


@contextlib.contextmanager
def use(count: Count) -> Iterator[None]:
    """Share the work of a block among the first `count` devices of every process, or among all of them.

    Raises InputError for fewer than one device, or more than there are.
    """
    with together():
        _require(count)
    token = _USED.set(count)
    try:
        yield
    finally:
        _USED.reset(token)


def _require(count: Count) -> None:
    present = jax.local_device_count()
    if count == "all" or 1 <= count <= present:
        return
    more = f" (JAX_NUM_CPU_DEVICES={count} in the environment makes more)" if jax.default_backend() == "cpu" else ""
    raise InputError(f"devices: {count} asked for, expected all, or between 1 and the {present} present{more}")


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
    Where JAX traces, to compile or to differentiate, one device does all.

    Args:
        function: jitted, of a table, whose events do not depend on each other; the same object in every call, for
            another one compiles anew.
        fixed: pytrees that all events share, such as a key and parameters.
        events: pytrees of arrays (n, ...).
        rows: numbers of the events, which decide their noise; 0 to n - 1 by default.
        size: events of one device at a time; by default its whole share.

    Returns:
        A pytree of arrays (n, ...).
    """
    n, mesh = len(jax.tree.leaves(events)[0]), own_mesh()
    table = (*events, jnp.arange(n) if rows is None else jnp.asarray(rows))
    if any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((fixed, table))):
        return function(*fixed, *table) if size is None or n <= size else _mapped(function, size)(fixed, table)
    piece = min(size or n, -(-n // mesh.size)) * mesh.size
    if mesh.size > 1:
        run, fixed = _shared(function, mesh, len(fixed), len(table)), replicate(fixed, mesh)
    elif piece == n:
        return function(*fixed, *table)
    else:
        run = function
    taken = (np.minimum(np.arange(start, start + piece), n - 1) for start in range(0, n, piece))
    done = [run(*fixed, *_piece(table, rows, mesh)) for rows in taken]
    whole = jax.tree.map(lambda *pieces: jnp.concatenate(pieces)[:n], *done)
    # What several devices hold cannot be mixed with what one holds.
    return jax.device_put(whole, mesh.devices[0]) if mesh.size > 1 else whole


def join(coordinator: str | None = None, processes: int | None = None, process: int | None = None) -> None:
    """Join the other processes of a job, before anything else is done with JAX.

    Without arguments JAX reads what SLURM, Open MPI or Kubernetes say; otherwise coordinator is the `host:port` of the
    first process, and process the number of this one. Raises InputError where that cannot be; where others do not come,
    JAX ends the process after five minutes.
    """
    if coordinator is not None and not re.fullmatch(r".+:\d+", coordinator):
        raise InputError(f"distributed: coordinator {coordinator}, expected host:port")
    try:
        jax.distributed.initialize(coordinator, processes, process)
    except (RuntimeError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise InputError(f"distributed: cannot join the job's processes ({reason})") from error
    if not is_first():
        logging.getLogger("hepjax").setLevel(logging.ERROR)


def is_first() -> bool:
    """Whether this process is the one that prints and writes."""
    return jax.process_index() == 0


@contextlib.contextmanager
def together() -> Iterator[None]:
    """A block that fails in all processes when it does in one: the others would wait for ever.

    All processes enter it, and all raise the InputError of the first that failed; another kind of error stays what it
    is where it was raised.
    """
    token = _TOGETHER.set(jax.process_count() > 1)
    try:
        yield
        if _TOGETHER.get():
            _exchange(_Kind.END)
    except Exception as error:
        if _TOGETHER.get() and not hasattr(error, _HEARD):
            _tell(error)
        raise
    finally:
        _TOGETHER.reset(token)


def by_first(function: Callable[P, object]) -> Callable[P, None]:
    """The function, which writes, done by the first process alone; the others wait, and fail with it."""

    @functools.wraps(function)
    def done(*args: P.args, **kwargs: P.kwargs) -> None:
        with together():
            if is_first():
                function(*args, **kwargs)

    return done


def of_first(value: float) -> float:
    """The number that the first process has."""
    return float(gathered(np.array([value]))[0])


def rows(read: Callable[[slice], np.ndarray], n: int) -> np.ndarray:
    """The n rows that `read` gives by slices; in a block of `together` each process reads its share of them."""
    if not _TOGETHER.get():
        return read(slice(0, n))
    process, processes = jax.process_index(), jax.process_count()
    everything = gathered(read(slice(n * process // processes, n * (process + 1) // processes)))
    if len(everything) != n:
        raise InputError(f"distributed: the processes read {len(everything)} rows of {n}, expected the same files")
    return everything


def gathered(share: np.ndarray) -> np.ndarray:
    """The rows of all processes, process by process, to the bit. share: the rows (n, ...) of this one; n may differ."""
    if jax.process_count() == 1:
        return share
    lengths = _exchange(_Kind.ROWS, len(share))
    pieces = zip(_bytes(share, lengths), lengths, strict=True)
    return np.concatenate([piece.view(share.dtype).reshape(n, *share.shape[1:]) for piece, n in pieces])


class _Kind(enum.IntEnum):
    """What a process has to say to the others."""

    END, ROWS, ERROR = range(3)


def _exchange(kind: _Kind, length: int = 0, text: bytes = b"") -> list[int]:
    """The lengths that all processes have; raises InputError where one has an error to tell, or came elsewhere."""
    heads = multihost_utils.process_allgather(np.array([kind, length], np.int32))
    kinds, lengths = heads.T
    if (kinds == kind).all() and kind != _Kind.ERROR:
        return lengths.tolist()
    texts = _bytes(np.frombuffer(text, np.uint8), np.where(kinds == _Kind.ERROR, lengths, 0).tolist())
    first = next((text.tobytes().decode(errors="replace") for text in texts if len(text)), None)
    error = InputError(first or "distributed: processes do different things, expected the same options and files")
    setattr(error, _HEARD, True)
    raise error


def _tell(error: Exception) -> None:
    """Tell the other processes of an error; raises the one that all raise, unless this one is of another kind."""
    text = (str(error) or type(error).__name__).encode()
    try:
        _exchange(_Kind.ERROR, len(text), text)
    except InputError as heard:
        if isinstance(error, InputError):
            raise heard from error
        setattr(error, _HEARD, True)


def _bytes(share: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    """The bytes of all processes' rows, sent in pieces, since they pass through the memory of the devices."""
    row = share.dtype.itemsize * int(np.prod(share.shape[1:], dtype=int))
    padded = np.zeros(max(lengths) * row, np.uint8)
    padded[: share.nbytes] = np.ascontiguousarray(share).reshape(-1).view(np.uint8)
    pieces = [
        multihost_utils.process_allgather(padded[start : start + PIECE_BYTES])
        for start in range(0, len(padded), PIECE_BYTES)
    ]
    everything = np.concatenate(pieces, axis=1) if pieces else np.zeros((len(lengths), 0), np.uint8)
    return [data[: length * row] for data, length in zip(everything, lengths, strict=True)]


def _used(present: list[Any]) -> list[Any]:
    count = _USED.get()
    return present if count == "all" else present[:count]


@cached
def _shared(function: Callable[..., Any], mesh: Mesh, fixed: int, table: int) -> Callable[..., Any]:
    """The jitted function whose last `table` arguments and results are split over the devices."""
    specs = (*(PartitionSpec(),) * fixed, *(PartitionSpec(AXIS),) * table)
    return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False))


def _piece(table: Tree, rows: Int[np.ndarray, " n"], mesh: Mesh) -> Tree:
    """Rows of a table, split over the devices."""
    piece = jax.tree.map(lambda x: x[rows], table)
    return jax.device_put(piece, NamedSharding(mesh, PartitionSpec(AXIS))) if mesh.size > 1 else piece


@cached
def _mapped(function: Callable[..., Any], size: int) -> Callable[[tuple, tuple], Any]:
    """The jitted function of a table in pieces: a loop over these would be traced and compiled piece by piece."""

    @jax.jit
    def run(fixed, table):
        n = len(jax.tree.leaves(table)[0])
        rows = jnp.minimum(jnp.arange(-(-n // size) * size), n - 1).reshape(-1, size)
        done = jax.lax.map(lambda events: function(*fixed, *events), jax.tree.map(lambda x: x[rows], table))
        return jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:])[:n], done)

    return run


def _put(x: np.ndarray, sharding: NamedSharding) -> jax.Array:
    return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])
