"""How to unfold by a learned posterior: frozen dataclasses that the command line shows as they are. No jax here."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.tags import tagged
from hepjax.training.config import Config as Training

POSTERIOR = Training(epochs=60, batch_size=512, learning_rate=2e-3, epochs_per_call=5, checkpoint_every=20)
PRIOR = Training(
    epochs=30, batch_size=1024, learning_rate=1e-3, schedule="constant", ema=0.95, weight_decay=1e-3, patience=5
)


@tagged("posterior/config", "hepjax.pipelines.generative_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """Draw particle-level events from a posterior p(gen | reco) learned on simulation, then correct its prior."""

    coordinates: Literal["scores", "zscore"] = "scores"
    """What nets see of an observable: normal scores, with integers and point masses spread out; or z-scores."""
    net: Literal["resnet", "sbunfold"] = "resnet"
    """Net of a bridge or of flow matching: residual perceptron with FiLM, or SBUnfold's own."""
    width: int = 128
    """Width of the net, and of both hidden layers of a coupling."""
    blocks: int = 3
    """Residual blocks of the net."""
    depth: int = 8
    """Coupling layers of the cINN."""
    bins: int = 10
    """Bins of the cINN's splines."""
    conditional: bool = True
    """Bridges: the net sees the detector-level event at every time, without which it does not learn p(gen | reco)."""
    beta_max: float = 4.0
    """SBUnfold: noise of the reference process, which should be as wide as gen given reco."""
    sigma: float = 1.0
    """Direct diffusion: noise of the reference process."""
    ode: bool = False
    """Bridges: the limit without noise, which maps an event to one event."""
    steps: int | None = None
    """Steps of the sampler; by default 100 of a bridge, and 20 of flow matching, each two net evaluations."""
    iterations: int = 30
    """Most iterations of the correction of the prior; 0 keeps that of the simulation."""
    tolerance: float = 1.0
    """The correction stops when a turn of all draws changes the prior by less, in units of what the data can see."""
    draws: int = 4
    """Posterior draws of each event, which the iterations of the correction take in turn."""
    hidden: tuple[int, ...] = (64, 128, 64)
    """Hidden layers of the classifiers that learn the prior's correction, and the acceptance."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic inside the posterior's net, bfloat16 for speed on accelerators; all else is float32."""
    training: Training = POSTERIOR
    """Training of the posterior."""
    prior_training: Training = PRIOR
    """Training of each classifier."""


PUBLISHED = Config(
    coordinates="zscore",
    net="sbunfold",
    width=32,
    blocks=4,
    conditional=False,
    beta_max=0.1,
    steps=999,
    iterations=0,
    training=Training(epochs=250, batch_size=128, learning_rate=1e-3, warmup=0.0, weight_decay=1e-2, epochs_per_call=5),
)
"""SBUnfold as published (arXiv:2308.12351): not conditional on the detector-level event, z-scored, one pass."""
