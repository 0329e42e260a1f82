"""Options that the verbs of all pipelines share. Nothing here imports jax early."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

READ: Mapping[str, bool] = {"read": True}
"""The metadata of a field that names a file or folder to read: no command writes over one."""


class Verb(NamedTuple):
    """A verb of the command line.

    kind: the class of its options. chosen: words of a command line -> that class, or one derived from it whose options
    depend on the words, such as those of a method.
    """

    kind: type
    chosen: Callable[[Sequence[str]], type] | None = None


def named(options: Any) -> dict[str, str]:
    """Return the files and folders that a command reads, by the names of its options."""
    found = {}
    for field in dataclasses.fields(options):
        given = getattr(options, field.name) if field.metadata.get("read") else None
        paths = given if isinstance(given, tuple) else () if given is None else (given,)
        found |= {" ".join((field.name, str(i)) if i else (field.name,)): str(path) for i, path in enumerate(paths)}
    return found


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machines:
    """Options of every command that can share its work."""

    devices: int | Literal["all"] = 1
    """Devices of each process that share the work."""
    distributed: bool = False
    """Share it with the job's other processes, too; SLURM, Open MPI, Kubernetes or the next three options tell them."""
    coordinator: str | None = None
    """Address host:port of the first process."""
    processes: int | None = None
    """Number of processes."""
    process: int | None = None
    """Number of this one, from zero."""

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Share the work of a block as asked; before it, nothing is to be done with JAX."""
        from hepjax import devices

        if self.distributed:
            devices.join(self.coordinator, self.processes, self.process)
        elif any(option is not None for option in (self.coordinator, self.processes, self.process)):
            raise devices.InputError("options coordinator, processes and process, expected beside distributed")
        with devices.use(self.devices):
            yield


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit(Machines):
    """Options of every command that fits."""

    out: Path
    """Run folder to write."""
    seed: int = 0
    """Seed of all random numbers."""
    overwrite: bool = False
    """Replace an older run folder."""
    resume: bool = False
    """Continue a run that was stopped, to the very numbers of an unbroken one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FitLarge(Fit):
    """Options of every command that fits to files larger than memory."""

    memory_gib: float | None = None
    """Memory for the showers and what is made of them, a half of the machine's by default; where more is needed, they
    are read from disk while training, which needs grain."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Apply(Machines):
    """Options of every command that applies a fitted model."""

    model: Path = dataclasses.field(metadata=READ)
    """Run folder of the fit."""
    out: Path
    """HDF5 file to write."""
    overwrite: bool = False
    """Replace an older file."""
    resume: bool = False
    """Go on after the last chunk of events of a run that was stopped, to the very file of an unbroken one."""
