"""How to unfold: the method and its options, as the command line shows them. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.pipelines.omnifold.config import Config as OmniFold
from hepjax.pipelines.posterior.config import Config as Generative
from hepjax.pipelines.profile_omnifold.config import Config as Profile
from hepjax.pipelines.profile_omnifold.config import Learned
from hepjax.tags import tagged

Method = Literal["sbunfold", "omnifold", "cinn", "cfm", "didi", "profile"]
METHODS: tuple[Method, ...] = ("sbunfold", "omnifold", "cinn", "cfm", "didi")
"""Methods that need a simulation alone; profile needs variations of it, too."""


@tagged("unfolding/config", "hepjax.pipelines.unfolding_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """The method of unfolding, and the options of every family of methods."""

    method: Method = "sbunfold"
    """Schroedinger bridge, reweighting, or another posterior: conditional flow, flow matching, direct diffusion; or
    profile, reweighting with nuisance parameters."""
    omnifold: OmniFold = OmniFold()  # noqa: RUF009 - frozen
    """Options of omnifold."""
    generative: Generative = Generative()  # noqa: RUF009 - frozen
    """Options of sbunfold, cinn, cfm and didi."""
    profile: Profile = Profile()  # noqa: RUF009 - frozen
    """Options of profile, and its nuisance parameters."""
    response: Learned = Learned()  # noqa: RUF009 - frozen
    """Options of the response that profile learns from variations of the simulation."""
