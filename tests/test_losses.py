"""The mean of a loss over weighted events."""

import jax
import jax.numpy as jnp
import numpy as np

from hepjax.losses import weighted_mean


def test_batches_of_broad_weights_have_the_loss_of_the_sample_on_average():
    """Weights e^(1.5 x - 1.5^2 / 2) of x ~ N(0, 1) and the value x: the mean is 1.5, and a ratio of sums gives less.

    Of 20,000 batches the mean has an error of sqrt((1 + 9) e^2.25 / (128 * 20,000)) = 0.006; of 64 pairs of pieces too.
    """
    x = jax.random.normal(jax.random.key(0), (20_000, 128))
    weight = jnp.exp(1.5 * x - 1.5**2 / 2)
    losses = np.asarray(jax.jit(jax.vmap(weighted_mean))(x, weight))
    assert abs(losses.mean() - 1.5) < 3 * 0.006
    pieces = np.asarray(jax.jit(jax.vmap(jax.vmap(weighted_mean)))(x.reshape(-1, 2, 64), weight.reshape(-1, 2, 64)))
    np.testing.assert_allclose(pieces.mean(1), losses, rtol=1e-4, atol=1e-5)


def test_a_batch_without_a_sum_of_weights_has_a_finite_loss():
    """A ratio to a sum of weights that cancel is without bound."""
    assert float(weighted_mean(jnp.array([1.0, 4.0]), jnp.array([-1.0, 1.0]))) == 1.5
