"""`hepjax caloflow`: its options."""

from __future__ import annotations

import dataclasses

from hepjax.pipelines import options
from hepjax.pipelines.caloflow.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaloflowFit(options.FitLarge):
    """Train the flows of the layers' energies and of the cells.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    showers: str = dataclasses.field(metadata=options.READ)
    """Address of the showers to learn."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CaloflowSample(options.Apply):
    """Generate one shower for each incident energy."""

    energies: str = dataclasses.field(metadata=options.READ)
    """Address of the incident energies; showers there are not read."""
    seed: int = 0
    """Seed of the noise."""
    extrapolate: bool = False
    """Accept incident energies far from those of the training, which are refused otherwise."""


COMMAND = "caloflow"
HELP = "Generate showers by normalizing flows (CaloFlow, arXiv:2106.05285; CaloINN, arXiv:2312.09290)."
VERBS = {"fit": CaloflowFit, "sample": CaloflowSample}
