"""`hepjax calibrate`: its options."""

from __future__ import annotations

import dataclasses

from hepjax.pipelines import options
from hepjax.pipelines.calibration.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalibrateFit(options.FitLarge):
    """Train the likelihood of showers given their energy.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    showers: str = dataclasses.field(metadata=options.READ)
    """Address of showers of known incident energies."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CalibrateApply(options.Apply):
    """Estimate the energies of showers, with intervals; incident energies are neither needed nor read."""

    showers: str = dataclasses.field(metadata=options.READ)
    """Address of the showers."""


COMMAND = "calibrate"
HELP = "Estimate energies of showers by maximum likelihood (arXiv:2404.18992)."
VERBS = {"fit": options.Verb(CalibrateFit), "apply": options.Verb(CalibrateApply)}
