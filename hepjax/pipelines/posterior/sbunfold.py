"""SBUnfold (arXiv:2308.12351): a Schrödinger bridge from detector-level events to particle-level ones.

The bridge is the paired I2SB (arXiv:2302.05872) between the coordinates of both levels. As published its net sees the
point on the way alone, and learns the law of gen over the sample but not that of gen given reco; the conditional bridge
(arXiv:2411.02495) sees the detector-level event as well and does. Its reference process needs noise of the order of
the spread of gen given reco, where the published one has nearly none.
"""

from __future__ import annotations

from hepjax import bridges, dynamics
from hepjax.caching import cached
from hepjax.pipelines.posterior import models
from hepjax.pipelines.posterior.config import Config
from hepjax.types import Bridge


@cached
def bridge(config: Config, dim: int, dim_cond: int) -> Bridge:
    """I2SB between `dim` coordinates of both levels, given `dim_cond` further ones of the detector level."""
    return bridges.i2sb(
        models.net(config, dim, dim_cond + dim * config.conditional),
        schedule=dynamics.Symmetric(beta_max=config.beta_max),
        steps=config.steps or models.BRIDGE_STEPS,
        ode=config.ode,
        condition_on_source=config.conditional,
    )
