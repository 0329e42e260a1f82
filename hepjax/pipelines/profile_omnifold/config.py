"""How to unfold by Profile OmniFold: frozen dataclasses that the command line shows as they are. It imports no jax."""

from __future__ import annotations

import dataclasses
import math

from hepjax.tags import tagged
from hepjax.training.config import Config as Training

CLASSIFIER = Training(
    epochs=10,
    batch_size=8192,  # a few large weights make the gradients of small batches noisy, and theta with them
    learning_rate=5e-3,
    weight_decay=1e-2,
    ema=0.98,
    validation=0.0,
    epochs_per_call=10,
)
RESPONSE = Training(epochs=30, batch_size=2048, learning_rate=3e-3, weight_decay=1e-2, ema=0.99, epochs_per_call=10)


@tagged("profile_omnifold/nuisance", "hepjax.pipelines.profile_omnifold_config:Nuisance")
@dataclasses.dataclass(frozen=True)
class Nuisance:
    """A nuisance parameter of the detector's response."""

    name: str
    """Name of the parameter."""
    nominal: float
    """Value with which the simulation was made, where the search starts."""
    low: float
    """Least value of the search."""
    high: float
    """Greatest value of the search."""
    centre: float = 0.0
    """Value that an auxiliary measurement of the parameter gave, if there is one."""
    sigma: float = math.inf
    """Standard deviation of that measurement; infinite where there is none."""


@tagged("profile_omnifold/config", "hepjax.pipelines.profile_omnifold_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """Iterated reweighting of the simulation to the data, with nuisance parameters that follow from the data too."""

    nuisances: tuple[Nuisance, ...] = ()
    """The nuisance parameters, one or several, in the order in which the response takes them."""
    iterations: int = 10
    """Iterations of all steps; more of them follow fluctuations of the data and the simulation further."""
    starts: int = 5
    """Values of each parameter between its bounds at which a search may start."""
    hidden: tuple[int, ...] = (32, 32)
    """Hidden layers of every classifier."""
    members: int = 1
    """Classifiers in the ensemble of each step, whose logits are averaged."""
    bootstraps: int = 0
    """Replicas of the whole fit, each with data, background and simulation weighted by Poisson(1) draws."""
    training: Training = CLASSIFIER
    """Training of each classifier, which starts where that of the iteration before ended."""


@tagged("profile_omnifold/learned", "hepjax.pipelines.profile_omnifold_config:Learned")
@dataclasses.dataclass(frozen=True)
class Learned:
    """A response that is learned from simulations with several values of the nuisance parameters."""

    hidden: tuple[int, ...] = (64, 64)
    """Hidden layers of both classifiers."""
    members: int = 1
    """Classifiers in the ensemble of each ratio, whose logits are averaged."""
    training: Training = RESPONSE
    """Training of each classifier."""
