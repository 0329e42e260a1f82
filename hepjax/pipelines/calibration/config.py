"""How to fit a calibration: a frozen dataclass that the command line shows as it is. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.tags import tagged
from hepjax.training.config import Config as Training

MEMBER = Training(epochs=100, batch_size=256, learning_rate=1e-3, weight_decay=0.7, ema=0.99, epochs_per_call=10)


@tagged("calibration/config", "hepjax.pipelines.calibration_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """The energy of a shower by maximum likelihood, from an ensemble of flows of its features given the energy."""

    features: tuple[Literal["layers", "shapes"], ...] = ("layers",)
    """What a flow sees of a shower: the energies of its layers, and their widths and largest cells."""
    members: int = 5
    """Flows whose densities are averaged, each with other showers held out."""
    components: int = 2
    """Logistic distributions in the mixture of one feature given those before."""
    hidden: tuple[int, ...] = (16, 16)
    """Hidden layers of a flow."""
    degree: int = 3
    """Degree in ln E of the mean and the log width of every feature, which a flow sees standardised."""
    smear: float = 0.05
    """Width of the noise on standardised features in training: empty layers are a spike in theirs."""
    validation: float = 0.2
    """Fraction of the showers that each flow holds out."""
    reach: float = 2.0
    """Energies are searched this factor below and above those of training."""
    training: Training = MEMBER
    """Training of each flow."""
    batch: int = 50
    """Showers calibrated at a time; they wait for the slowest of their searches."""
