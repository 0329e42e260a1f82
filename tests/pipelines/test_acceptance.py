"""Shares of events that pass, or are background, against the probability they are made with."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from hepjax.pipelines.place import Place
from hepjax.pipelines.posterior import acceptance
from hepjax.pipelines.posterior.config import Config
from hepjax.training import Config as Training
from hepjax.types import Column, Measured, Unfolding

pytestmark = pytest.mark.usefixtures("fast_compilation")

N = 4000
TRAINING = Training(epochs=10, batch_size=200, learning_rate=1e-2, ema=0.9, validation=0.0, epochs_per_call=10)
CONFIG = Config(hidden=(16,), prior_training=TRAINING)
COLUMNS = (Column("x"), Column("y"))
CLEAN, FILLED, OUTLIERS = "clean", "fill values", "outliers"


def table(seed, kind, mean=0.0):
    """Events (N, 2) of two normal observables, which are -999 in a third of the events, or 1e6 in nine."""
    x = np.random.default_rng(seed).normal(mean, 1, (N, 2)).astype(np.float32)
    x[: {CLEAN: 0, FILLED: N // 3, OUTLIERS: 9}[kind], :] = -999 if kind == FILLED else 1e6
    return x


def probability(x):
    """That an event passes: 0.5 for fill values and outliers, rising with x for others."""
    return np.where(np.abs(x[:, 0]) > 100, 0.5, expit(1.5 * x[:, 0]))


def fit(name, simulation, data, background=None):
    """A share, and what it says of events."""
    shares, nets = acceptance.fit(jax.random.key(0), CONFIG, (name,), simulation, data, background, Place())
    return lambda x: np.asarray(acceptance._share(name, shares[name], nets, jnp.asarray(x)))


@pytest.mark.parametrize("kind", [CLEAN, FILLED, OUTLIERS])
@pytest.mark.parametrize("name", [acceptance.EFFICIENCY, acceptance.PURITY])
def test_a_share_follows_the_probability_of_an_event(name, kind):
    """A prior that the net never leaves is off by 0.31, the width of the probability over these events."""
    x = table(0, kind)
    passed, every = np.random.default_rng(1).random(N) < probability(x), np.ones(N, bool)
    level = (every, passed) if name == acceptance.EFFICIENCY else (passed, every)
    simulation = Unfolding(x, x, np.ones(N, np.float32), *level, COLUMNS, COLUMNS)
    learned = fit(name, simulation, Measured(x, np.ones(N, np.float32), COLUMNS))
    off = learned(x) - probability(x)
    assert np.sqrt(np.mean(off**2)) < 0.06
    assert abs(off.mean()) < 3 * 0.5 / np.sqrt(N)


@pytest.mark.parametrize("kind", [CLEAN, FILLED])
def test_a_background_is_found_where_it_is(kind):
    """Signal around 0 and half as much background around 2, both with the same share of fill values: a share that is
    the same everywhere is off by 0.4, and by 0.33 with fill values."""
    signal, background, expected = table(0, kind), table(1, kind, mean=2.0), table(2, kind, mean=2.0)
    both = np.concatenate([signal, background[::2]])
    data = Measured(both, np.ones(len(both), np.float32), COLUMNS)
    known = Measured(expected, np.full(N, 0.5, np.float32), COLUMNS)
    nothing = Unfolding(both, both, data.weight, *[np.ones(len(both), bool)] * 2, COLUMNS, COLUMNS)
    learned = fit(acceptance.BACKGROUND, nothing, data, known)
    density = [np.exp(-0.5 * np.square(both - mean).sum(1)) for mean in (0.0, 2.0)]
    truth = np.where(both[:, 0] < -100, 1 / 3, 0.5 * density[1] / np.maximum(density[0] + 0.5 * density[1], 1e-30))
    assert np.sqrt(np.mean((np.clip(learned(both), 0, 1) - truth) ** 2)) < 0.1
