"""What a configuration means for a table of a given length: batches, steps, devices and rates of every step."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from hepjax import devices
from hepjax.training.config import Config
from hepjax.types import InputError


class Plan(NamedTuple):
    """Batches and rates of a whole fit.

    rates: learning rate of each step. decays: decay of the moving average at each step.
    window_steps: steps whose rows are shuffled together; the last window of an epoch has those that are left.
    """

    batch_size: int
    window_steps: int
    mesh: Mesh
    rates: Float[np.ndarray, "epochs steps"]
    decays: Float[np.ndarray, "epochs steps"]


def make_plan(config: Config, rows: int) -> Plan:
    """Resolve `config` for `rows` training events.

    Raises:
        InputError: a field is out of range, or a batch does not divide into its pieces or over the devices.
    """
    check(config)
    if rows < 1:
        raise InputError("training: no event is left to train on; expected at least one")
    mesh = devices.mesh()
    batch_size = min(config.batch_size, rows)
    if batch_size % config.accumulate:
        raise InputError(f"training: a batch of {batch_size} events does not divide into {config.accumulate} pieces")
    size, piece = batch_size // config.accumulate, "a batch" if config.accumulate == 1 else "a piece"
    if size % mesh.size:
        raise InputError(f"training: {piece} of {size} events does not divide over {mesh.size} devices")
    shape = (config.epochs, rows // batch_size)
    return Plan(
        batch_size,
        _window_steps(config.window, batch_size, shape[1]),
        mesh,
        learning_rates(config, shape[0] * shape[1]).reshape(shape),
        ema_decays(config.ema, shape[0] * shape[1]).reshape(shape),
    )


def check(config: Config) -> None:
    """Raise `InputError` for the first field of `config` that is out of range."""
    expected = {
        "epochs": (config.epochs >= 1, "at least 1"),
        "batch_size": (config.batch_size >= 1, "at least 1"),
        "learning_rate": (0 < config.learning_rate < np.inf, "a positive number"),
        "schedule": (config.schedule in ("constant", "cosine"), "constant or cosine"),
        "warmup": (0 <= config.warmup <= 1, "between 0 and 1"),
        "weight_decay": (0 <= config.weight_decay < np.inf, "zero or positive"),
        "clip_norm": (0 <= config.clip_norm < np.inf, "zero or positive"),
        "ema": (0 <= config.ema < 1, "at least 0 and less than 1"),
        "validation": (0 <= config.validation < 1, "at least 0 and less than 1"),
        "patience": (config.patience >= 0, "zero or positive"),
        "checkpoint_every": (config.checkpoint_every >= 0, "zero or positive"),
        "epochs_per_call": (config.epochs_per_call >= 1, "at least 1"),
        "accumulate": (config.accumulate >= 1, "at least 1"),
        "window": (config.window >= 0, "zero or positive"),
        "block": (config.block >= 1, "at least 1"),
        "checkpoint_minutes": (config.checkpoint_minutes >= 0, "zero or positive"),
    }
    for field, (holds, expectation) in expected.items():
        if not holds:
            raise InputError(f"training: {field} is {getattr(config, field)!r}; expected {expectation}")


def _window_steps(window: int, batch_size: int, steps: int) -> int:
    """Steps of a window of about so many events, such that windows are nearly equal; all steps of an epoch for 0."""
    most = max(window // batch_size, 1) if window else steps
    return -(-steps // -(-steps // most))


def learning_rates(config: Config, steps: int) -> Float[np.ndarray, " steps"]:
    """Learning rate of each step: linear from zero in the warm-up, then constant or a cosine to zero."""
    n = np.arange(steps)
    warm = round(config.warmup * steps)
    # The warm-up starts one step above zero, for a step of rate zero is lost.
    rise = np.minimum((n + 1) / (warm + 1), 1.0)
    if config.schedule == "constant":
        return config.learning_rate * rise
    progress = np.maximum(n - warm, 0) / max(steps - warm, 1)
    return config.learning_rate * rise * 0.5 * (1 + np.cos(np.pi * progress))


def ema_decays(decay: float, steps: int) -> Float[np.ndarray, " steps"]:
    """Decay of the moving average at each step: min(decay, (1 + n) / (10 + n)).

    The small decay of the first steps lets the average forget the initial parameters in a short fit.
    """
    n = np.arange(steps)
    return np.minimum(decay, (1 + n) / (10 + n))
