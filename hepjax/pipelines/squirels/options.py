"""`hepjax squirels`: its options."""

from __future__ import annotations

import dataclasses

from hepjax.pipelines import options
from hepjax.pipelines.squirels.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquirelsFit(options.Fit):
    """Train the refinement of fast showers into full ones.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    fast: str = dataclasses.field(metadata=options.READ)
    """Address of showers of the fast simulation."""
    full: str = dataclasses.field(metadata=options.READ)
    """Address of showers of the full simulation."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquirelsRefine(options.Apply):
    """Refine showers with a trained model."""

    fast: str = dataclasses.field(metadata=options.READ)
    """Address of showers of the fast simulation."""
    seed: int = 0
    """Seed of the noise."""
    extrapolate: bool = False
    """Accept incident energies far from those of the training, which are refused otherwise."""


COMMAND = "squirels"
HELP = "Refine a fast simulation into the full one (SQuIRELS, arXiv:2308.12339)."
VERBS = {"fit": options.Verb(SquirelsFit), "refine": options.Verb(SquirelsRefine)}
