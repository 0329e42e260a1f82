"""How to train the classifiers of the CaloChallenge: a frozen dataclass that the command line shows. Imports no jax."""

from __future__ import annotations

import dataclasses

from hepjax.tags import tagged

# The least batch: with 1,000 showers a side, moved by one layer, the perceptron's AUC on voxels after 15 epochs is 0.66
# in batches of 100 and 0.63 in those of 1,000 (error 0.02); batches of 20 gain nothing and take three times as long.


@tagged("calochallenge/config", "hepjax.evaluation.calochallenge_config:Config")
@dataclasses.dataclass(frozen=True)
class Config:
    """Classifiers of the CaloChallenge; the defaults are the published ones (arXiv:2410.21611)."""

    hidden: tuple[int, ...] = (2048, 2048, 2048)
    """Hidden layers of the perceptron."""
    cnn_widths: tuple[int, ...] = (32, 64, 64, 128)
    """Channels in each block of the convolutional net."""
    epochs: int = 50
    """Passes over the training showers; the epoch of the best accuracy on the second part of the showers counts."""
    batch_size: int = 1000
    """Showers in a step, if an epoch then has at least `steps` of them."""
    steps: int = 120
    """Steps an epoch of the published samples; smaller ones come in smaller batches, to keep as many."""
    smallest_batch: int = 100
    """Showers in a step of the smallest samples."""
    learning_rate: float = 2e-4
    """Learning rate of Adam, constant."""
