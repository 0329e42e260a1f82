"""`hepjax calibrate`: its options."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from tyro.conf import arg, subcommand

from hepjax.cli import common
from hepjax.pipelines.calibration.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalibrateFit(common.FitLarge):
    """Train the likelihood of showers given their energy.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    showers: str
    """Address of showers of known incident energies."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""

    def run(self) -> None:
        from hepjax.commands import calibrate

        calibrate.fit(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalibrateApply(common.Apply):
    """Estimate the energies of showers, with intervals; incident energies are neither needed nor read."""

    showers: str
    """Address of the showers."""

    def run(self) -> None:
        from hepjax.commands import calibrate

        calibrate.apply(self)


@dataclasses.dataclass(frozen=True)
class Calibrate:
    """Estimate energies of showers by maximum likelihood (arXiv:2404.18992)."""

    command: Annotated[
        Annotated[CalibrateFit, subcommand("fit")] | Annotated[CalibrateApply, subcommand("apply")], arg(name="")
    ]

    def run(self) -> None:
        self.command.run()
