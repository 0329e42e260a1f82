"""`hepjax squirels`: its options."""

from __future__ import annotations

import dataclasses
from typing import Annotated

from tyro.conf import arg, subcommand

from hepjax.cli import common
from hepjax.pipelines.squirels.config import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquirelsFit(common.Fit):
    """Train the refinement of fast showers into full ones.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    fast: str
    """Address of showers of the fast simulation."""
    full: str
    """Address of showers of the full simulation."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """How to train."""

    def run(self) -> None:
        from hepjax.commands import squirels

        squirels.fit(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class SquirelsRefine(common.Apply):
    """Refine showers with a trained model."""

    fast: str
    """Address of showers of the fast simulation."""
    seed: int = 0
    """Seed of the noise."""
    extrapolate: bool = False
    """Accept incident energies far from those of the training, which are refused otherwise."""

    def run(self) -> None:
        from hepjax.commands import squirels

        squirels.refine(self)


@dataclasses.dataclass(frozen=True)
class Squirels:
    """Refine a fast simulation into the full one (SQuIRELS, arXiv:2308.12339)."""

    command: Annotated[
        Annotated[SquirelsFit, subcommand("fit")] | Annotated[SquirelsRefine, subcommand("refine")], arg(name="")
    ]

    def run(self) -> None:
        self.command.run()
