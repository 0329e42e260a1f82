"""Options that commands of all pipelines share."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

INPUTS = (
    "background",
    "baseline",
    "data",
    "energies",
    "fast",
    "file",
    "full",
    "generated",
    "model",
    "reference",
    "showers",
    "simulation",
    "train",
    "truth",
    "unfolded",
)
"""Options of all commands that name files or folders to read."""

CHECKPOINT = "checkpoint"
"""The folder of a run that holds its fitted model."""


def inputs(options: Any) -> dict[str, str]:
    """What a command reads, by the names of its options; of a model its checkpoint, beside which results may lie."""
    found = {}
    for name in INPUTS:
        given = getattr(options, name, None)
        paths = given if isinstance(given, tuple) else () if given is None else (given,)
        found |= {" ".join((name, str(i)) if i else (name,)): str(path) for i, path in enumerate(paths)}
    return found | ({"model": str(Path(found["model"], CHECKPOINT))} if "model" in found else {})


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


PROGRESS = "progress"
"""The folder of a run that is under way, which holds its checkpoints."""


def parts_of(out: Path) -> Path:
    """The folder of the parts that a file is made of, while the command that writes it is under way."""
    return out.absolute().with_name(f".{out.name}.parts")


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

    model: Path
    """Run folder of the fit."""
    out: Path
    """HDF5 file to write."""
    overwrite: bool = False
    """Replace an older file."""
    resume: bool = False
    """Go on after the last chunk of events of a run that was stopped, to the very file of an unbroken one."""
