"""How to unfold by OmniFold: a frozen dataclass that the command line shows as it is. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.tags import tagged
from hepjax.training.config import Config as Training

CLASSIFIER = Training(
    epochs=20,
    batch_size=2048,
    learning_rate=2e-3,
    weight_decay=1e-2,
    ema=0.95,
    validation=0.2,
    patience=10,
)


@tagged("omnifold/config", "hepjax.pipelines.omnifold_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """Iterated reweighting of the simulation to the data, at detector level and at particle level in turn."""

    iterations: int = 5
    """Iterations of both steps; more of them forget the prior further, and follow fluctuations of the data further."""
    hidden: tuple[int, ...] = (64, 128, 64)
    """Hidden layers of every classifier."""
    members: int = 1
    """Classifiers in the ensemble of each step, whose logits are averaged."""
    bootstraps: int = 0
    """Replicas of the whole unfolding, each with data (and background) weighted by Poisson(1) draws."""
    bootstrap_simulation: bool = False
    """Draw weights for the simulation of a replica too, for the uncertainty of a small one."""
    missing: Literal["mean", "push"] = "mean"
    """What events that are not measured take from step 1: the mean of events alike at particle level that are, or
    the weight they came with, which needs more iterations the lower the efficiency is."""
    training: Training = CLASSIFIER
    """Training of each classifier, which starts where that of the iteration before ended."""
