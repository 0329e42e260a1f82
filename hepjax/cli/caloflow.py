"""`hepjax caloflow`: its options."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from tyro.conf import arg, subcommand

from hepjax.cli import common
from hepjax.pipelines.caloflow.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaloflowFit(common.FitLarge):
    """Train the flows of the layers' energies and of the cells.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    showers: str
    """Address of the showers to learn."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""

    def run(self) -> None:
        from hepjax.commands import caloflow

        caloflow.fit(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaloflowSample(common.Apply):
    """Generate one shower for each incident energy."""

    energies: str
    """Address of the incident energies; showers there are not read."""
    seed: int = 0
    """Seed of the noise."""
    extrapolate: bool = False
    """Accept incident energies far from those of the training, which are refused otherwise."""

    def run(self) -> None:
        from hepjax.commands import caloflow

        caloflow.sample(self)


@dataclasses.dataclass(frozen=True)
class Caloflow:
    """Generate showers by normalizing flows (CaloFlow, arXiv:2106.05285; CaloINN, arXiv:2312.09290)."""

    command: Annotated[
        Annotated[CaloflowFit, subcommand("fit")] | Annotated[CaloflowSample, subcommand("sample")], arg(name="")
    ]

    def run(self) -> None:
        self.command.run()
