"""Noise schedules: hashable specifications, and the tables of constants they stand for.

Tables are NumPy arrays in float64, computed once; they enter a compiled program as constants of the data's precision.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np

from hepjax.caching import cached


class BridgeTable(NamedTuple):
    """The pinned diffusion between x0 (t = 0) and x1 (t = 1) on a grid; every field has shape (steps,).

    time: t of the grid points. sigma_fwd, sigma_bwd: standard deviation gathered since t = 0, and left until t = 1.
    mu0, mu1, sigma: `x_t = mu0 x0 + mu1 x1 + sigma eps`.
    """

    time: np.ndarray
    sigma_fwd: np.ndarray
    sigma_bwd: np.ndarray
    mu0: np.ndarray
    mu1: np.ndarray
    sigma: np.ndarray


@dataclasses.dataclass(frozen=True)
class Symmetric:
    """I2SB's schedule, symmetric in time and peaked in the middle (arXiv:2302.05872).

        b = linspace(sqrt(beta_min), sqrt(beta_max / steps), steps)^2,   beta = [b of the first half, the same reversed]
        sigma_fwd^2 = cumsum(beta),   sigma_bwd^2 = the same from the other end
        mu0 = sigma_bwd^2 / (sigma_fwd^2 + sigma_bwd^2),   mu1 = 1 - mu0
        sigma^2 = sigma_fwd^2 sigma_bwd^2 / (sigma_fwd^2 + sigma_bwd^2)

    The defaults are those of SBUnfold (arXiv:2308.12351); I2SB's own are beta_min = 1e-4, beta_max = 0.3.

    >>> float(Symmetric().table().sigma.max().round(6))
    0.078639
    """

    steps: int = 1000
    beta_min: float = 1e-5
    beta_max: float = 0.1

    def __post_init__(self):
        if self.steps < 2 or self.steps % 2:
            raise ValueError(f"Symmetric needs an even number of steps, got {self.steps}")

    @cached
    def table(self) -> BridgeTable:
        """The constants of the grid."""
        half = (
            np.linspace(np.sqrt(self.beta_min), np.sqrt(self.beta_max / self.steps), self.steps)[: self.steps // 2] ** 2
        )
        beta = np.concatenate([half, half[::-1]])
        forward, backward = np.cumsum(beta), np.cumsum(beta[::-1])[::-1]
        mu0 = backward / (forward + backward)
        return BridgeTable(
            time=np.linspace(0.0, 1.0, self.steps),
            sigma_fwd=np.sqrt(forward),
            sigma_bwd=np.sqrt(backward),
            mu0=mu0,
            mu1=1 - mu0,
            sigma=np.sqrt(forward * mu0),
        )

    def subset(self, steps: int) -> np.ndarray:
        """Indices of a sampler's grid: `steps` steps (steps + 1 points) from the last index down to 0.

        Raises ValueError unless 1 <= steps < self.steps.
        """
        if not 1 <= steps < self.steps:
            raise ValueError(f"the schedule has {self.steps} points, so a sampler takes 1 to {self.steps - 1} steps")
        return np.linspace(self.steps - 1, 0, steps + 1).round().astype(int)


@dataclasses.dataclass(frozen=True)
class Constant:
    """DSB's schedule in SQuIRELS (arXiv:2308.12339): `steps` transitions of step size `gamma` each.

    A transition adds noise of variance 2 gamma (arXiv:2106.01357). The state before transition k lies at the
    fraction k / steps of the way.
    """

    steps: int = 20
    gamma: float = 1e-3

    @property
    def noise(self) -> float:
        """Standard deviation of one transition's noise."""
        return (2 * self.gamma) ** 0.5
