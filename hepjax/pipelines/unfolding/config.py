"""How to unfold: the method and its options, as the command line shows them. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.pipelines.omnifold.config import Config as OmniFold
from hepjax.pipelines.posterior.config import Config as Generative
from hepjax.tags import tagged

Method = Literal["sbunfold", "omnifold", "cinn", "cfm", "didi"]
METHODS: tuple[Method, ...] = ("sbunfold", "omnifold", "cinn", "cfm", "didi")


@tagged("unfolding/config", "hepjax.pipelines.unfolding_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """The method of unfolding, and the options of every family of methods."""

    method: Method = "sbunfold"
    """Schroedinger bridge, reweighting, or another posterior: conditional flow, flow matching, direct diffusion."""
    omnifold: OmniFold = OmniFold()  # noqa: RUF009 - frozen
    """Options of omnifold."""
    generative: Generative = Generative()  # noqa: RUF009 - frozen
    """Options of all other methods."""
