"""Classifiers against closed forms; their common contracts are in tests/contracts."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import classifiers
from hepjax.types import Labelled, Net

KEY = jax.random.key(0)
AFFINE = Net(lambda key: {"w": jnp.zeros(1), "b": jnp.zeros(())}, lambda p, x, cond=None: x * p["w"] + p["b"])


def minimise(loss, params):
    """Newton's method: the loss is convex in the few parameters here."""
    flat, unravel = jax.flatten_util.ravel_pytree(params)

    def value(flat):
        return loss(unravel(flat))

    newton = jax.jit(lambda p: p - jnp.linalg.solve(jax.hessian(value)(p), jax.grad(value)(p)))
    for _ in range(10):
        flat = newton(flat)
    return unravel(flat)


def test_the_best_binary_classifier_is_the_log_density_ratio():
    """N(1, 1) against N(0, 1): logit x - 1/2, to 4 / sqrt(20,000); weights of 2 on label 1 add log 2."""
    x = jax.random.normal(KEY, (20_000, 1)) + (label := jnp.arange(20_000) % 2)[:, None]
    model = classifiers.binary(AFFINE)
    for weight, shift in ((None, 0.0), (1.0 + label, np.log(2))):
        params = minimise(lambda p, w=weight: model.loss(KEY, p, Labelled(x, label, None, w))[0], model.init(KEY))
        np.testing.assert_allclose([params["w"][0], params["b"]], [1.0, shift - 0.5], atol=0.06)
    ratio = classifiers.ratio(model)
    np.testing.assert_allclose(ratio(params, x), jnp.exp(model.logits(params, x)), rtol=1e-6)


def test_losses_are_cross_entropies_in_nats():
    batch = Labelled(jnp.zeros((4, 1)), jnp.array([0, 1, 1, 0]))
    model = classifiers.binary(AFFINE)
    assert float(model.loss(KEY, model.init(KEY), batch)[0]) == pytest.approx(np.log(2))
    three = classifiers.multiclass(Net(lambda key: jnp.zeros(3), lambda p, x, cond=None: x + p))
    assert float(three.loss(KEY, jnp.zeros(3), batch)[0]) == pytest.approx(np.log(3))
    tilted = jnp.log(jnp.array([0.5, 0.3, 0.2]))
    expected = -0.5 * (np.log(0.5) + np.log(0.3))
    assert float(three.loss(KEY, tilted, batch)[0]) == pytest.approx(expected, rel=1e-6)


def test_a_ratio_saturates_instead_of_overflowing():
    ratio = classifiers.ratio(classifiers.binary(AFFINE), max_log=5.0)
    params = {"w": jnp.ones(1), "b": jnp.zeros(())}
    np.testing.assert_allclose(ratio(params, jnp.array([[1e6], [-1e6], [1.0]])), np.exp([5.0, -5.0, 1.0]), rtol=1e-6)
