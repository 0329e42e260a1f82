"""How to look for anomalies: a frozen dataclass that the command line shows as it is. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.pipelines.calibration import config as calibration_config
from hepjax.pipelines.caloflow import config as caloflow_config
from hepjax.tags import tagged

Quantity = Literal["density", "coordinates", "layers", "cells"]
Energy = Literal["estimated", "maximised"]
Sides = Literal["one", "two"]


@tagged("anomaly/config", "hepjax.pipelines.anomaly_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """Anomalous showers by their likelihood: the background's density, its energies, and what is usual."""

    showers: caloflow_config.Config = caloflow_config.Config()  # noqa: RUF009 - frozen
    """Density of the background's showers given their energy."""
    energy: calibration_config.Config = calibration_config.Config()  # noqa: RUF009 - frozen
    """Estimate of the energy of a shower."""
    held_out: float = 0.2
    """Fraction of the background that neither is trained on: it tells which likelihoods are usual."""
    degree: int = 3
    """Degree in ln E of the mean and the log width of the usual log-likelihood."""
    draws: int = 4
    """Draws of the dequantisation's noise that a log-likelihood is averaged over."""
