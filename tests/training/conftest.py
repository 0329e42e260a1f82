"""A small noisy regression: closed-form enough to check against, random enough to show a wrong key."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest


def _init(key, batch=None):
    return {"w": 0.1 * jax.random.normal(key, (3,)), "b": jnp.zeros(())}


def _loss(key, params, batch):
    residual = batch["x"] @ params["w"] + params["b"] - batch["y"]
    return jnp.mean(batch["weight"] * residual**2), {"bias": params["b"]}


def _noisy(key, params, batch):
    noise = 0.1 * jax.random.normal(key, batch["y"].shape)
    return _loss(key, params, {**batch, "y": batch["y"] + noise})


@pytest.fixture
def model():
    """Linear least squares of weighted events."""
    return SimpleNamespace(init=_init, loss=_loss)


@pytest.fixture
def noisy():
    """The same with a loss that draws noise."""
    return SimpleNamespace(init=_init, loss=_noisy)


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(240, 3)).astype(np.float32)
    y = x @ np.array([1.0, -2.0, 0.5]) + 0.3 + 0.2 * rng.normal(size=240)
    return {"x": x, "y": y.astype(np.float32), "weight": rng.uniform(0.5, 2, 240).astype(np.float32)}
