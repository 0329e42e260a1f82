"""Gaussian samples, and nets that know the answer in closed form."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.types import Net


class Pair(NamedTuple):
    """Jointly Gaussian target x0 and source x1: means (d,), covariances (d, d), cross = cov(x0, x1)."""

    m0: np.ndarray
    m1: np.ndarray
    c0: np.ndarray
    c1: np.ndarray
    cross: np.ndarray

    def draw(self, key, n):
        """x0, x1 of shape (n, d)."""
        joint = np.block([[self.c0, self.cross], [self.cross.T, self.c1]])
        z = jax.random.normal(key, (n, len(joint))) @ np.linalg.cholesky(joint).T
        x = z + np.concatenate([self.m0, self.m1])
        return x[:, : len(self.m0)], x[:, len(self.m0) :]

    def denoiser(self, mu0, mu1, sigma):
        """A, b of E[x0 | x] = A x + b for x = mu0 x0 + mu1 x1 + sigma eps; mu0, mu1, sigma may be arrays."""
        mu0, mu1, sigma = (jnp.asarray(a)[..., None, None] for a in (mu0, mu1, sigma))
        both = mu0 * self.c0 + mu1 * self.cross  # cov(x0, x)
        mixed = mu0 * mu1 * (self.cross + self.cross.T)
        total = mu0**2 * self.c0 + mu1**2 * self.c1 + mixed + sigma**2 * jnp.eye(len(self.m0))
        a = jnp.swapaxes(jnp.linalg.solve(total, jnp.swapaxes(both, -1, -2)), -1, -2)
        mean = mu0[..., 0] * self.m0 + mu1[..., 0] * self.m1
        return a, self.m0 - jnp.einsum("...ij,...j->...i", a, mean)


@pytest.fixture(scope="session")
def independent() -> Pair:
    c0 = np.array([[0.5, 0.2], [0.2, 0.3]])
    c1 = np.array([[1.0, -0.3], [-0.3, 0.8]])
    return Pair(np.array([1.0, -0.5]), np.array([0.0, 0.5]), c0, c1, np.zeros((2, 2)))


@pytest.fixture(scope="session")
def correlated(independent) -> Pair:
    return independent._replace(cross=np.array([[0.4, -0.1], [0.0, 0.25]]))


@pytest.fixture(scope="session")
def closed_form():
    """A net without parameters from a function (x, cond, time) -> y."""

    def build(f) -> Net:
        return Net(lambda key: {"none": jnp.zeros(())}, lambda params, x, cond=None, time=None: f(x, cond, time))

    return build
