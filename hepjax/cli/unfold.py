"""`hepjax unfold`: its options."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg, subcommand

from hepjax.cli import common
from hepjax.pipelines.omnifold.config import Config as OmniFold
from hepjax.pipelines.posterior.config import Config as Generative
from hepjax.pipelines.unfolding.config import Method


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnfoldFit(common.Fit):
    """Learn to unfold data with a simulation.

    Addresses are file.hdf5:group, with data sets gen and sim, or files of EnergyFlow (.npz), ROOT and parquet.
    """

    simulation: str
    """Address of simulated events, paired at particle level (gen) and detector level (sim)."""
    data: str
    """Address of the data; their detector level (sim) alone is read."""
    background: str | None = None
    """Address of background events, to be subtracted at the yield their weights add up to."""
    method: Method = "sbunfold"
    """Schroedinger bridge, reweighting, or another posterior: conditional flow, flow matching, direct diffusion."""
    observables: tuple[str, ...] | None = None
    """Columns to unfold; by default the six of Z + jets where the file has them, else all."""
    conditions: tuple[str, ...] = ()
    """Further columns of the detector level to learn from."""
    omnifold: OmniFold = OmniFold()  # noqa: RUF009 - frozen
    """Options of omnifold."""
    generative: Generative = Generative()  # noqa: RUF009 - frozen
    """Options of all other methods."""

    def run(self) -> None:
        from hepjax.commands import unfold

        unfold.fit(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnfoldApply(common.Apply):
    """Unfold data: an HDF5 (or .parquet) file with gen (N, d), weight (N,) and metadata to publish them with."""

    data: str
    """Address of the data; their detector level (sim) alone is read."""
    selection: str = "that of the simulation"
    """The particle-level phase space, in words, for the metadata."""
    seed: int = 0
    """Seed of the posterior's draws."""

    def run(self) -> None:
        from hepjax.commands import unfold

        unfold.apply(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnfoldCompare:
    """Compare unfolded events with the truth: metrics.json, figures and report.html."""

    truth: str
    """Address of the true particle level (gen); its detector level (sim) is shown beside where there is one."""
    unfolded: tuple[Path, ...]
    """Files of unfolded events."""
    out: Path
    """Report folder to write."""
    simulation: str | None = None
    """Address of the simulation, to show its particle level and migrations beside."""
    null: Literal["auto", "paired", "independent"] = "auto"
    """What distances are held against: events that belong to the truth's, in the order they were measured, or others.
    By default paired for methods that unfold event by event, where there are as many as the truth's file has measured.
    """
    seed: int = 0
    """Seed of the classifiers."""
    overwrite: bool = False
    """Replace an older report."""

    def run(self) -> None:
        from hepjax.commands import unfold

        unfold.compare(self)


@dataclasses.dataclass(frozen=True)
class Unfold:
    """Unfold detector-level events into particle-level ones (SBUnfold, OmniFold, cINN, flow matching, DiDi)."""

    command: Annotated[
        Annotated[UnfoldFit, subcommand("fit")]
        | Annotated[UnfoldApply, subcommand("apply")]
        | Annotated[UnfoldCompare, subcommand("compare")],
        arg(name=""),
    ]

    def run(self) -> None:
        self.command.run()
