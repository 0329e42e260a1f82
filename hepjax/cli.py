"""The command line: one frozen dataclass a command, whose fields are its options. Nothing here imports jax early.

Errors of the user end with one line on standard error and exit code 2.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import tyro
from tyro.conf import FlagCreatePairsOff, arg, subcommand

from hepjax.pipelines.squirels_config import Config as SquirelsConfig


@dataclasses.dataclass(frozen=True)
class SquirelsFit:
    """Train the refinement of fast showers into full ones.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    fast: str
    """Address of showers of the fast simulation."""
    full: str
    """Address of showers of the full simulation."""
    out: Path
    """Run folder to write."""
    config: SquirelsConfig = SquirelsConfig()  # noqa: RUF009 - frozen
    """How to train."""
    seed: int = 0
    """Seed of all random numbers."""
    overwrite: bool = False
    """Replace an older run folder."""
    resume: bool = False
    """Continue a run that was stopped, to the very numbers of an unbroken one."""

    def run(self) -> None:
        from hepjax import commands

        commands.fit_squirels(self)


@dataclasses.dataclass(frozen=True)
class SquirelsRefine:
    """Refine showers with a trained model."""

    model: Path
    """Run folder of `hepjax squirels fit`."""
    fast: str
    """Address of showers of the fast simulation."""
    out: Path
    """HDF5 file to write."""
    seed: int = 0
    """Seed of the noise."""
    overwrite: bool = False
    """Replace an older file."""

    def run(self) -> None:
        from hepjax import commands

        commands.refine_squirels(self)


@dataclasses.dataclass(frozen=True)
class Squirels:
    """Refine a fast simulation into the full one (SQuIRELS, arXiv:2308.12339)."""

    command: Annotated[
        Annotated[SquirelsFit, subcommand("fit")] | Annotated[SquirelsRefine, subcommand("refine")], arg(name="")
    ]

    def run(self) -> None:
        self.command.run()


@dataclasses.dataclass(frozen=True)
class Compare:
    """Compare generated showers with a reference: metrics.json, figures and report.html."""

    reference: str
    """Address of the reference's showers."""
    generated: str
    """Address of the generated showers."""
    out: Path
    """Report folder to write."""
    baseline: str | None = None
    """Address of further showers to show beside, such as unrefined ones."""
    train: str | None = None
    """Address of the reference's showers the generator was trained on, for the test of copies."""
    seed: int = 0
    """Seed of the classifiers."""
    overwrite: bool = False
    """Replace an older report."""

    def run(self) -> None:
        from hepjax import commands

        commands.compare(self)


@dataclasses.dataclass(frozen=True)
class Demo:
    """Train, refine and compare on the showers that come with the package: some minutes on two cores."""

    out: Path = Path("runs/demo")
    """Folder to write; an older demo there is replaced."""
    seed: int = 0
    """Seed of all random numbers."""

    def run(self) -> None:
        from hepjax import demo

        demo.run(self.out, self.seed)


Command = (
    Annotated[Squirels, subcommand("squirels")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[Demo, subcommand("demo")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `hepjax …`; returns the exit code: 0, 2 for bad input, or 1 where training left the finite numbers."""
    command = tyro.cli(Command, prog="hepjax", args=arguments, config=(FlagCreatePairsOff,))
    from hepjax.training import TrainingError  # after the help, which needs no jax
    from hepjax.types import InputError

    try:
        command.run()
    except (InputError, TrainingError) as error:
        print(f"hepjax: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
