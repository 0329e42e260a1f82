"""`hepjax unfold`: its options."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from hepjax.pipelines import options
from hepjax.pipelines.omnifold.config import Config as OmniFold
from hepjax.pipelines.posterior.config import Config as Generative
from hepjax.pipelines.profile_omnifold.config import Config as Profile
from hepjax.pipelines.profile_omnifold.config import Learned
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
    """Schroedinger bridge, reweighting, or another posterior: conditional flow, flow matching, direct diffusion; or
    profile, reweighting with nuisance parameters."""
    nuisances: Path | None = dataclasses.field(default=None, metadata=options.READ)
    """YAML file of the nuisance parameters and of simulations with other values of them, for profile."""
    observables: tuple[str, ...] | None = None
    """Columns to unfold; by default the six of Z + jets where the file has them, else all."""
    conditions: tuple[str, ...] = ()
    """Further columns of the detector level to learn from."""
    omnifold: OmniFold = OmniFold()  # noqa: RUF009 - frozen
    """Options of omnifold."""
    generative: Generative = Generative()  # noqa: RUF009 - frozen
    """Options of sbunfold, cinn, cfm and didi."""
    profile: Profile = Profile()  # noqa: RUF009 - frozen
    """Options of profile."""
    response: Learned = Learned()  # noqa: RUF009 - frozen
    """Options of the response that profile learns."""


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
HELP = "Unfold detector-level events into particle-level ones (SBUnfold, OmniFold with nuisances or without, cINN, …)."
VERBS = {"fit": options.Verb(UnfoldFit), "apply": options.Verb(UnfoldApply)}
