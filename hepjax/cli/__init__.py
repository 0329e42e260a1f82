"""The command line: one frozen dataclass a command, whose fields are its options. Nothing here imports jax early.

A file for the commands of each pipeline; those of none are here.
Errors of the user end with one line on standard error, or one a fault of a file that is checked, and exit code 2.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import FlagCreatePairsOff, subcommand

from hepjax.cli import common
from hepjax.cli.anomaly import Anomaly
from hepjax.cli.calibrate import Calibrate
from hepjax.cli.calochallenge import CaloChallenge
from hepjax.cli.caloflow import Caloflow
from hepjax.cli.export import Export
from hepjax.cli.generate import Generate
from hepjax.cli.squirels import Squirels
from hepjax.cli.unfold import Unfold
from hepjax.evaluation.compare_config import METRICS, Metric


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
    metrics: tuple[Metric, ...] = METRICS
    """What to measure; mlp and trees are classifiers, a network and boosted trees, which take most of the time."""
    showers: int | None = None
    """Showers of each sample to compare at most, drawn at random; by default as many as the smallest has."""
    seed: int = 0
    """Seed of the classifiers."""
    overwrite: bool = False
    """Replace an older report."""

    def run(self) -> None:
        from hepjax.commands import compare

        compare.run(self)


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


FEWEST_OBJECTS = 100_000
"""New objects before Python looks for cycles: imports and tracing make many that live on."""

Command = (
    Annotated[Squirels, subcommand("squirels")]
    | Annotated[Caloflow, subcommand("caloflow")]
    | Annotated[Calibrate, subcommand("calibrate")]
    | Annotated[Anomaly, subcommand("anomaly")]
    | Annotated[Unfold, subcommand("unfold")]
    | Annotated[Generate, subcommand("generate")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[CaloChallenge, subcommand("calochallenge")]
    | Annotated[Export, subcommand("export")]
    | Annotated[Demo, subcommand("demo")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `hepjax …`; returns the exit code.

    0, 2 for bad input, 1 where training left the finite numbers, or 130 where it was interrupted.
    """
    gc.set_threshold(FEWEST_OBJECTS)
    command = tyro.cli(Command, prog="hepjax", args=arguments, config=(FlagCreatePairsOff,))
    try:
        return _run(command)
    except KeyboardInterrupt:
        print(f"hepjax: stopped; {_again(getattr(command, 'command', command))}", file=sys.stderr)
        return 130


def _run(command: Any) -> int:
    from hepjax import compilation  # after the help, which needs no jax
    from hepjax.training import TrainingError
    from hepjax.types import InputError

    compilation.use_cache()
    try:
        _require_apart(command)
        with _machines(command):
            command.run()
    except (InputError, TrainingError) as error:
        print(*(f"hepjax: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


def _again(options: Any) -> str:
    """What to do after a command was stopped."""
    instead = " in place of --overwrite" if getattr(options, "overwrite", False) else ""
    if isinstance(options, common.Fit) and (options.out / common.PROGRESS).exists():
        return f"the command goes on from its last checkpoint with --resume{instead}"
    if isinstance(options, common.Apply) and common.parts_of(options.out).exists():
        return f"the command goes on with the events that are missing with --resume{instead}"
    if hasattr(options, "overwrite") and options.out is not None and options.out.exists():
        return f"the command begins anew with --overwrite, since {options.out} exists"
    return "nothing is left behind, and the command begins anew"


def _require_apart(command: Any) -> None:
    """Raise InputError where a command would write over what it reads."""
    from hepjax.data import output

    options = getattr(command, "command", command)
    if getattr(options, "out", None) is not None:
        output.require_apart(options.out, common.inputs(options))


def _machines(command: Any) -> contextlib.AbstractContextManager[None]:
    """The devices and processes that a command, or the one of a pipeline, asks for."""
    options = getattr(command, "command", command)
    return options.used() if isinstance(options, common.Machines) else contextlib.nullcontext()
