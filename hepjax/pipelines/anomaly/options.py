"""`hepjax anomaly`: its options."""

from __future__ import annotations

import dataclasses

from hepjax.pipelines import options
from hepjax.pipelines.anomaly.config import Config, Energy, Quantity, Sides


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnomalyFit(options.FitLarge):
    """Train on background showers, and learn which likelihoods are usual.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    background: str = dataclasses.field(metadata=options.READ)
    """Address of background showers of known incident energies."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class AnomalyScore(options.Apply):
    """Score showers: the higher, the more anomalous. Incident energies are neither needed nor read."""

    showers: str = dataclasses.field(metadata=options.READ)
    """Address of the showers."""
    energy: Energy = "estimated"
    """Score at the calibration's estimate of the energy, or where the likelihood of the whole shower is largest."""
    known_energy: bool = False
    """Read incident_energies, and score at these."""
    sides: Sides = "one"
    """Unlikely showers are anomalous; or those that are too likely as well."""
    quantity: Quantity = "density"
    """The likelihood of the cells in MeV, or of CaloFlow's nearly normal coordinates: all, or one flow's alone."""
    seed: int = 0
    """Seed of the noise."""


COMMAND = "anomaly"
HELP = "Find anomalous showers by their likelihood under the background (arXiv:2312.11618)."
VERBS = {"fit": options.Verb(AnomalyFit), "score": options.Verb(AnomalyScore)}
