"""How to fit SQuIRELS: frozen dataclasses that the command line shows as they are. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.tags import tagged
from hepjax.training.config import Config as Training

RESPONSE = Training(epochs=20, batch_size=8, checkpoint_every=10)
SHAPE = Training(epochs=160, batch_size=4, checkpoint_every=10)


@tagged("squirels/config", "hepjax.pipelines.squirels_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """Refine a fast simulation into the full one by two bridges: the total response, then the shape given it."""

    method: Literal["matching", "dsb"] = "matching"
    """Flow matching with optimal transport in groups of equal energy, or the paper's diffusion Schroedinger bridge."""
    coordinates: Literal["quantile", "zscore"] = "quantile"
    """What bridges see: normal scores of each cell given the energy, or the paper's z-scored cells over their sum."""
    net: Literal["resnet", "conv"] = "resnet"
    """Net of the shape's bridge: residual perceptron, or the paper's convolutions (z-scored cells only)."""
    response_width: int = 64
    """Width of the residual perceptron of the response."""
    width: int = 384
    """Width of the residual perceptron."""
    blocks: int = 3
    """Residual blocks."""
    steps: int = 4
    """Steps of the transport; those of matching are Heun's, two net evaluations each."""
    symmetry: Literal["auto", "none"] = "auto"
    """Use the square's rotations and reflections in training where both samples respect them, or never."""
    group: int = 64
    """Matching: events of neighbouring energy among which optimal transport pairs."""
    coupling: Literal["ot", "independent"] = "ot"
    """Matching: pair by optimal transport within a group, or at random."""
    nodes: int = 16
    """Quantile coordinates: energies at which quantiles are tabulated, fewer for small samples."""
    threshold_mev: float = 0.1
    """z-score coordinates: cells below are set to zero."""
    gamma: float = 0.001
    """DSB: variance of a step over two."""
    iterations: int = 20
    """DSB: pairs of half-passes."""
    recalibrate: bool = True
    """Quantile coordinates: after training, make each coordinate's law given the energy exact."""
    validation: float = 0.1
    """Fraction of both samples held out for validation."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic inside nets, bfloat16 for speed on accelerators; all else is float32."""
    rematerialise: bool = False
    """Compute what is inside of the shape's net again in the backward pass, for less memory and a third more time."""
    response_training: Training = RESPONSE
    """Training of the response's bridge; a batch of matching counts groups."""
    shape_training: Training = SHAPE
    """Training of the shape's bridge; of DSB, of each half-pass."""
    refine_batch: int = 1000
    """Showers refined at a time."""


PAPER = Config(
    method="dsb",
    coordinates="zscore",
    net="conv",
    recalibrate=False,
    steps=20,
    response_training=Training(epochs=50, schedule="constant", warmup=0.0),
    shape_training=Training(epochs=50, schedule="constant", warmup=0.0),
)
"""The paper's method and schedule (arXiv:2308.12339): hours on two cores, made for a GPU."""

DSB_CPU = dataclasses.replace(
    PAPER,
    net="resnet",
    width=256,
    iterations=10,
    response_training=Training(epochs=4, schedule="constant", warmup=0.0),
    shape_training=Training(epochs=4, schedule="constant", warmup=0.0),
)
"""The paper's method cut to two cores: a residual perceptron, 10 iterations of 4 epochs a half-pass."""
