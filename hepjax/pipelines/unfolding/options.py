"""`hepjax unfold`: its options."""

from __future__ import annotations

import dataclasses

from hepjax.pipelines import options
from hepjax.pipelines.omnifold.config import Config as OmniFold
from hepjax.pipelines.posterior.config import Config as Generative
from hepjax.pipelines.unfolding.config import Method


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnfoldFit(options.Fit):
    """Learn to unfold data with a simulation.

    Addresses are file.hdf5:group, with data sets gen and sim, or files of EnergyFlow (.npz), ROOT and parquet.
    """

    simulation: str = dataclasses.field(metadata=options.READ)
    """Address of simulated events, paired at particle level (gen) and detector level (sim)."""
    data: str = dataclasses.field(metadata=options.READ)
    """Address of the data; their detector level (sim) alone is read."""
    background: str | None = dataclasses.field(default=None, metadata=options.READ)
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class UnfoldApply(options.Apply):
    """Unfold data: an HDF5 (or .parquet) file with gen (N, d), weight (N,) and metadata to publish them with."""

    data: str = dataclasses.field(metadata=options.READ)
    """Address of the data; their detector level (sim) alone is read."""
    selection: str = "that of the simulation"
    """The particle-level phase space, in words, for the metadata."""
    seed: int = 0
    """Seed of the posterior's draws."""


COMMAND = "unfold"
HELP = "Unfold detector-level events into particle-level ones (SBUnfold, OmniFold, cINN, flow matching, DiDi)."
VERBS = {"fit": options.Verb(UnfoldFit), "apply": options.Verb(UnfoldApply)}
