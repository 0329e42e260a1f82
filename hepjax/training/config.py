"""How to train: a frozen dataclass that the command line shows as it is. It imports no jax."""

from __future__ import annotations

import dataclasses
from typing import Literal

from hepjax.tags import tagged


@tagged("training/config", "hepjax.training.config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """How to train: AdamW on shuffled batches, with a moving average of the parameters."""

    epochs: int = 100
    """Passes over the training events."""
    batch_size: int = 512
    """Events in a step; the remainder of an epoch is dropped, and a smaller sample is one batch."""
    learning_rate: float = 1e-3
    """Largest learning rate."""
    schedule: Literal["constant", "cosine"] = "cosine"
    """Learning rate after the warm-up: constant, or a cosine that ends at zero."""
    warmup: float = 0.02
    """Fraction of all steps in which the learning rate rises linearly from zero."""
    weight_decay: float = 1e-4
    """Decoupled weight decay of AdamW, times the learning rate."""
    clip_norm: float = 1.0
    """Largest global norm of a gradient; 0 leaves gradients as they are."""
    ema: float = 0.999
    """Decay of the moving average of the parameters; 0 is no average."""
    validation: float = 0.1
    """Fraction of the events held out for validation; 0 holds out none."""
    patience: int = 0
    """Epochs without a better score or validation loss before training stops; 0 never stops early."""
    checkpoint_every: int = 0
    """Epochs between checkpoints, where a folder is given; 0 writes one at the end only."""
    checkpoint_minutes: float = 10.0
    """Minutes after which a checkpoint is written, inside an epoch too where events are read from disk; 0 is never."""
    epochs_per_call: int = 1
    """Epochs in one compiled call; selection, progress and checkpoints come once a call."""
    accumulate: int = 1
    """Equal pieces of a batch that are taken one after the other, their gradients averaged: to fit a small memory."""
    window: int = 0
    """Events that are shuffled together, several times a block, to read them from disk; 0 shuffles all at once."""
    block: int = 512
    """Neighbouring events that enter a window together: a multiple of what a file compresses as one is fast to read."""
