"""Columns that say little go through every method of unfolding: constants, two values, nearly all at a fill value."""

import dataclasses

import jax
import numpy as np
import pytest

from hepjax.pipelines import profile_omnifold, unfolding
from hepjax.training import Config as Training
from hepjax.types import Column, Measured, Unfolding

pytestmark = pytest.mark.usefixtures("fast_compilation")

N = 400
COLUMNS = tuple(map(Column, ("x", "constant", "two", "filled")))
SHORT = Training(epochs=1, batch_size=200, ema=0.9, validation=0.0)


def table(seed, shift=0.0):
    """A normal observable, 1.7 in all events, 0 or 1.5, and -999 in all but five events."""
    rng = np.random.default_rng(seed)
    filled = np.full(N, -999.0)
    filled[:5] = rng.normal(size=5)
    columns = rng.normal(shift, 1, N), np.full(N, 1.7), 1.5 * rng.integers(0, 2, N), filled
    return np.stack(columns, 1).astype(np.float32)


def small(method):
    config = unfolding.Config(method)
    omnifold = dataclasses.replace(config.omnifold, iterations=1, hidden=(8,), training=SHORT)
    recipe = {"training": SHORT, "prior_training": SHORT, "width": 8, "blocks": 1, "steps": 2}
    return dataclasses.replace(config, omnifold=omnifold, generative=dataclasses.replace(config.generative, **recipe))


def fitted(method):
    """The unfolded data, and the simulation."""
    every, gen = np.ones(N, bool), table(0)
    reco = gen.copy()
    reco[:, 0] += np.random.default_rng(1).normal(size=N).astype(np.float32)
    simulation = Unfolding(gen, reco, np.ones(N, np.float32), every, every, COLUMNS, COLUMNS)
    data = Measured(table(2, 0.3), np.ones(N, np.float32), COLUMNS)
    if method != "profile":
        state = unfolding.fit(jax.random.key(0), simulation, data, small(method))
        return unfolding.unfold(jax.random.key(1), state, data)
    theta = profile_omnifold.Nuisance("theta", 1.0, 0.5, 2.0)
    config = profile_omnifold.Config((theta,), iterations=1, starts=1, hidden=(8,), training=SHORT)
    state = profile_omnifold.fit(jax.random.key(0), simulation, data, response, config)
    return profile_omnifold.unfold(jax.random.key(1), state, data)


def response(gen, reco, theta):
    """Of a resolution theta in place of one."""
    return 0.5 * (reco[0] - gen[0]) ** 2 * (1 - theta[0] ** -2) - jax.numpy.log(theta[0])


@pytest.mark.parametrize("method", ["cinn", "cfm", "omnifold", "profile"])
def test_columns_that_say_little_come_back_as_they_are(method):
    unfolded = fitted(method)
    gen, weight = np.asarray(unfolded.gen), np.asarray(unfolded.weight)
    assert np.isfinite(weight).all() and weight.sum() == pytest.approx(N, rel=1e-3)
    assert (gen[:, 1] == np.float32(1.7)).all()
    assert set(np.unique(gen[:, 2])) <= {0.0, 1.5}
    assert np.isfinite(gen).all() and (gen[:, 3] == -999).mean() > 0.9
