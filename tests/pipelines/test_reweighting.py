"""Density ratios of weighted samples against the exact ones of normal distributions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.pipelines.events import reweighting
from hepjax.training import Config
from hepjax.types import Events

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
HIDDEN = (16,)
RECIPE = Config(epochs=20, batch_size=500, learning_rate=1e-2, ema=0.9, validation=0.0, epochs_per_call=20)
N = 10_000
GRID = np.linspace(-1.5, 1.5, 31, dtype=np.float32)[:, None]
TOLERANCE = 0.1  # of ln r: some parameters are learned with an error of 1 / sqrt(N) each, most at the ends of the grid


def normal(seed, mean):
    return Events(np.random.default_rng(seed).normal(mean, 1, (N, 1)).astype(np.float32))


def learned(ratio, members=1):
    return np.asarray(reweighting.log_ratio(1, HIDDEN, members)(ratio.constants, ratio.params, GRID))


def exact(mean, x=GRID):
    """ln N(x; mean, 1) / N(x; 0, 1)."""
    return mean * x[:, 0] - mean**2 / 2


def test_the_ratio_of_two_normal_samples():
    ratio = reweighting.fit(KEY, HIDDEN, normal(0, 0.0), normal(1, 0.5), RECIPE)
    np.testing.assert_allclose(learned(ratio), exact(0.5), atol=TOLERANCE)


def test_weights_stand_for_events_also_negative_ones():
    """A normal sample with weights of both signs, which has the law of another one."""
    x, rng = normal(0, 0.0), np.random.default_rng(2)
    sign = np.where(rng.random(N) < 0.1, -1, 1)
    tilted = x._replace(weight=sign * np.exp(exact(0.5, x.x)))
    ratio = reweighting.fit(KEY, HIDDEN, normal(1, 0.0), tilted, RECIPE)
    # Of 80 percent of the sum of the weights, and e^0.25 times their squares, is the error twice that of N events.
    np.testing.assert_allclose(learned(ratio), exact(0.5), atol=2 * TOLERANCE)


def test_a_conditional_mean_over_its_mean():
    """E[value | x] = e^(x / 2) with noise of a factor 0 or 2; negative weights among the events."""
    events, rng = normal(0, 0.0), np.random.default_rng(2)
    events = events._replace(weight=np.where(rng.random(N) < 0.05, -1.0, 1.0))
    value = np.exp(0.5 * events.x[:, 0]) * rng.integers(0, 2, N) * 2
    ratio = reweighting.fit_mean(KEY, HIDDEN, events, value, RECIPE)
    np.testing.assert_allclose(learned(ratio), 0.5 * GRID[:, 0] - 0.125, atol=2 * TOLERANCE)


def test_a_mean_is_the_ratio_of_the_sample_to_itself_with_other_weights():
    """The same loss, from half of the events: the loss and its gradient agree at any parameters."""
    x = normal(0, 0.0)
    value = np.exp(exact(0.5, x.x))
    model = reweighting.classifier(1, HIDDEN, 2)
    short = Config(epochs=1, batch_size=2 * N, schedule="constant", warmup=0.0, ema=0.0, validation=0.0)
    mean = reweighting.fit_mean(KEY, HIDDEN, x, value, short, members=2)
    pair = reweighting.fit(KEY, HIDDEN, x, x._replace(weight=value), short, members=2)
    params = jax.tree.leaves(jax.jit(model.init)(jax.random.split(KEY, 4)[0]))
    assert any(np.abs(a - b).max() > 1e-4 for a, b in zip(params, jax.tree.leaves(mean.params), strict=True))
    np.testing.assert_allclose(mean.history["loss"], pair.history["loss"], rtol=1e-4)


def test_members_start_apart_and_their_logits_are_averaged():
    ratio = reweighting.fit(KEY, HIDDEN, normal(0, 0.0), normal(1, 0.5), RECIPE, members=3)
    alone = [
        learned(ratio._replace(params=jax.tree.map(lambda leaf, n=n: leaf[n : n + 1], ratio.params))) for n in range(3)
    ]
    assert np.std(alone, axis=0).max() > 0
    np.testing.assert_allclose(learned(ratio, 3), np.mean(alone, axis=0), atol=1e-5)


def test_a_start_keeps_its_standardisation_and_parameters():
    first = reweighting.fit(KEY, HIDDEN, normal(0, 0.0), normal(1, 0.5), RECIPE)
    still = Config(epochs=1, batch_size=N, learning_rate=1e-9, weight_decay=0.0, validation=0.0)
    again = reweighting.fit(KEY, HIDDEN, normal(2, 3.0), normal(3, 4.0), still, start=first)
    np.testing.assert_allclose(learned(again), learned(first), atol=1e-5)
    assert again.constants is first.constants


def test_the_logarithm_is_clipped_and_takes_any_leading_shape():
    ratio = reweighting.fit(KEY, HIDDEN, normal(0, 0.0), normal(1, 0.5), RECIPE)
    evaluate = reweighting.log_ratio(1, HIDDEN)
    steep = jax.tree.map(lambda leaf: 1e3 * leaf, ratio.params)
    assert np.abs(evaluate(ratio.constants, steep, GRID)).max() == reweighting.MAX_LOG
    values = evaluate(ratio.constants, ratio.params, jnp.reshape(GRID[:30], (2, 15, 1)))
    np.testing.assert_allclose(values.ravel(), learned(ratio)[:30], atol=1e-6)
    assert evaluate(ratio.constants, ratio.params, GRID[0]).shape == ()
