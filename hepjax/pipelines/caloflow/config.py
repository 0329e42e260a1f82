"""How to fit CaloFlow: frozen dataclasses that the command line shows as they are. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.tags import tagged
from hepjax.training.config import Config as Training

LAYERS = Training(epochs=60, batch_size=512, learning_rate=1e-3, weight_decay=0.1, ema=0.99, patience=20)
CELLS = Training(epochs=30, batch_size=256, learning_rate=5e-4, weight_decay=5.0, ema=0.995, patience=6)
STUDENT = Training(epochs=8, batch_size=256, learning_rate=2e-3, ema=0.995)


@tagged("caloflow/config", "hepjax.pipelines.caloflow_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """Showers from normalizing flows: the layers' energies, then the cells given those."""

    variant: Literal["autoregressive", "student", "coupling"] = "autoregressive"
    """Autoregressive teacher; its inverse, distilled, that samples in one pass; or CaloINN's coupling flow of all."""
    layers_depth: int = 3
    """Blocks of the flow of the layers' energies."""
    layers_hidden: tuple[int, ...] = (64, 64)
    """Hidden layers of a block there."""
    depth: int = 2
    """Blocks of the flow of the cells, or of all for a coupling flow."""
    hidden: tuple[int, ...] = (128, 128)
    """Hidden layers of a block there."""
    bins: int = 8
    """Bins of the rational-quadratic splines."""
    bound: float = 5.0
    """Splines end here, and are the identity beyond."""
    nodes: int = 8
    """Energies at which quantiles are tabulated, fewer for small samples."""
    scale_noise: float = 0.05
    """Width of the noise of ln(sum of a layer's cells) in training; samples are scaled back to the layer's energy."""
    significance: float = 5.0
    """Correlations of cells below this many standard deviations are left to the flow."""
    symmetry: Literal["auto", "none"] = "auto"
    """Use the calorimeter's reflections in training where the sample respects them, or never."""
    copies: int = 2
    """Draws of the dequantisation's noise in the training table."""
    validation: float = 0.1
    """Fraction of the showers held out for validation."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic inside nets, bfloat16 for speed on accelerators; splines, densities and all else are float32."""
    rematerialise: bool = False
    """Compute what is inside of blocks again in the backward pass, for less memory and a third more time."""
    layers_training: Training = LAYERS
    """Training of the flow of the layers' energies."""
    training: Training = CELLS
    """Training of the flow of the cells, or of all for a coupling flow."""
    student_training: Training = STUDENT
    """Distillation of the student."""
    batch: int = 1000
    """Showers sampled or scored at a time."""


PAPER = Config(
    depth=8,
    hidden=(378,),
    layers_depth=6,
    training=Training(epochs=100, batch_size=1000, learning_rate=1e-4),
    student_training=Training(epochs=100, batch_size=1000, learning_rate=1e-4),
)
"""Depth and width of CaloFlow (arXiv:2106.05285, arXiv:2110.11377), for samples and machines of their size."""

CALOINN = Config(
    variant="coupling",
    depth=12,
    hidden=(256, 256, 256, 256),
    bins=10,
    bound=18.0,
    training=Training(epochs=450, batch_size=512, learning_rate=1e-3),
)
"""CaloINN's flow (arXiv:2312.09290, table 2)."""


METHODS = {"caloflow": Config(), "caloinn": Config(variant="coupling", depth=6)}
"""The methods of `hepjax showers` that this pipeline has, and the configuration that each starts from."""
