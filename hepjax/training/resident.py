"""Training on a table that lies on the devices: some epochs in one compiled call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from hepjax import devices
from hepjax.training import epoch
from hepjax.training.plan import Plan
from hepjax.types import PRNGKey


class Trainer:
    """Epochs of a fit on a table in memory; see `windows.Trainer` for one on disk.

    windows: 1, for an epoch is never left half done.
    """

    windows = 1

    def __init__(
        self,
        key: PRNGKey,
        data: Any,
        held: Any,
        loss: Callable,
        encode: epoch.Encode,
        recipe: epoch.Recipe,
        plan: Plan,
        epochs_per_call: int,
    ):
        self._key, self._plan, self._epochs = key, plan, epochs_per_call
        self._data = devices.replicate((data, encode.constants, held), recipe.mesh)
        self._run = epoch.compiled(loss, recipe, encode.function)

    def advance(self, carry: epoch.Carry, done: int) -> tuple[epoch.Carry, dict[str, np.ndarray]]:
        """Train some epochs after the first `done`: the carry and their history."""
        numbers = np.arange(done, min(done + self._epochs, len(self._plan.rates)))
        rates, decays = self._plan.rates[numbers], self._plan.decays[numbers]
        carry, history = self._run(carry, self._key, *self._data, numbers, rates, decays)
        return carry, jax.device_get(history)

    def number(self, done: int) -> int:
        """Number of windows trained on when `done` epochs are."""
        return done

    def position(self) -> None:
        """Where in an epoch the fit is, for `seek`."""

    def seek(self, position: None) -> None:
        """Go on where another trainer of the same fit was."""

    def close(self) -> None:
        """Let the data go."""
