"""`hepjax calochallenge`: its options."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg, subcommand

from hepjax.evaluation.calochallenge_config import Config

Dataset = Literal["1-photons", "1-pions", "2", "3"]
Device = Literal["auto", "cpu", "gpu", "tpu"]
Metric = Literal["separation", "fpd", "kpd", "prdc", "low", "low_normed", "high", "cnn", "multiclass"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure generated showers against Geant4's by the challenge's metrics: metrics.json, tables and report.html.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    dataset: Dataset
    """Data set of the challenge."""
    reference: str
    """Address of showers of Geant4."""
    generated: tuple[str, ...]
    """Addresses of generated showers, one a submission."""
    out: Path
    """Report folder to write."""
    baseline: str | None = None
    """Address of other showers of Geant4, whose distance to the reference is that of statistics."""
    metrics: tuple[Metric, ...] = ("separation", "fpd", "kpd", "prdc", "low", "high")
    """What to measure; low, low_normed, high and cnn are binary classifiers, multiclass compares submissions."""
    beside: tuple[str, ...] = ("best",)
    """Published submissions to stand beside: all, best (the five of the least FPD), or names; Geant4's own always."""
    device: Device = "auto"
    """Where to compute."""
    threshold_mev: float | None = None
    """Voxels below are set to zero in all samples first; by default below the data set's threshold, 0 for none."""
    memory_gib: float = 8.0
    """Memory for showers held at once by the low-level classifiers and prdc: of larger files they take random ones."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """Options of the classifiers."""
    seed: int = 0
    """Seed of the classifiers."""
    overwrite: bool = False
    """Replace an older report."""

    def run(self) -> None:
        from hepjax.commands import calochallenge

        calochallenge.evaluate(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Time:
    """Time a generator: milliseconds a shower at each batch size, without start-up and compilation."""

    model: Path | None = None
    """Run folder of a generator that `hepjax caloflow fit` made."""
    command: str | None = None
    """Or a command of another one: its {showers} are to be made {batch} at a time, in a file {out} if it needs one."""
    batches: tuple[int, ...] = (1, 100, 10_000)
    """Showers a batch."""
    repeats: int = 5
    """Timed repetitions of each."""
    energy_gev: tuple[float, float] | None = None
    """Range of the incident energies, drawn log-uniformly; by default that of the model's training."""
    further: int = 1000
    """Showers of a timed run of a command beyond its first batch, rounded up to whole batches."""
    device: Device = "auto"
    """Where a model computes."""
    out: Path | None = None
    """JSON file to write."""
    seed: int = 0
    """Seed of the showers."""
    overwrite: bool = False
    """Replace an older file."""

    def run(self) -> None:
        from hepjax.commands import calochallenge

        calochallenge.time(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SubmitCheck:
    """Check that a file is a valid submission: keys, shapes, types, units, energies, and every voxel."""

    file: Positional[str]
    """Address of generated showers."""
    dataset: Dataset
    """Data set of the challenge."""

    def run(self) -> None:
        from hepjax.commands import calochallenge

        calochallenge.check(self)


@dataclasses.dataclass(frozen=True)
class CaloChallenge:
    """Formats and metrics of the CaloChallenge (arXiv:2410.21611)."""

    command: Annotated[
        Annotated[Evaluate, subcommand("evaluate")]
        | Annotated[Time, subcommand("timing")]
        | Annotated[SubmitCheck, subcommand("submit-check")],
        arg(name=""),
    ]

    def run(self) -> None:
        self.command.run()
