"""The Gaussian copula whose mean follows the conditions."""

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import transforms

DIM = 6


def sample(n=20_000, seed=3):
    """A quadratic form of two conditions, and neighbours that are correlated by 0.5 or not at all."""
    rng = np.random.default_rng(seed)
    cond = rng.normal(size=(n, 2))
    noise = rng.normal(size=(n, DIM))
    noise[:, 1] = (noise[:, 0] + np.sqrt(3) * noise[:, 1]) / 2
    mean = np.outer(cond[:, 0] * cond[:, 1], np.arange(DIM)) + cond[:, :1]
    return mean + 2 * noise, cond


def test_the_result_is_white_and_free_of_the_conditions():
    """Entries of correlation matrices of n events spread by 1/sqrt(n); five of these, and the ridge's one percent."""
    x, cond = sample()
    constants = transforms.decorrelate().fit(x, cond)
    y, log_det = transforms.decorrelate().forward(constants, jnp.asarray(x), jnp.asarray(cond))
    tolerance = 5 / np.sqrt(len(x)) + 0.02
    np.testing.assert_allclose(np.cov(np.asarray(y).T), np.eye(DIM), atol=tolerance)
    for regressor in (cond[:, 0], cond[:, 0] * cond[:, 1]):
        assert np.abs(np.mean(np.asarray(y) * regressor[:, None], 0)).max() < 5 * tolerance
    np.testing.assert_allclose(log_det, -DIM * np.log(2) - np.log(np.sqrt(3) / 2), atol=0.05)


def test_entries_within_the_noise_are_dropped():
    x, cond = sample(2000)
    factor = np.asarray(transforms.decorrelate().fit(x, cond).factor)
    off = factor[np.tril_indices(DIM, -1)]
    assert np.count_nonzero(off) == 1 and abs(factor[1, 0] - 0.5) < 5 * 0.75 / np.sqrt(2000)


def test_weights_choose_the_sample():
    x, cond = sample(4000)
    half = (np.arange(len(x)) % 2).astype(float)
    weighted, alone = transforms.decorrelate().fit(x, cond, half), transforms.decorrelate().fit(x[1::2], cond[1::2])
    for a, b in zip(jax.tree.leaves(weighted), jax.tree.leaves(alone), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_columns_that_copy_each_other_keep_a_finite_factor():
    x, cond = sample(1000)
    constants = transforms.decorrelate().fit(np.concatenate([x, x], -1), cond)
    assert np.isfinite(constants.inverse).all() and np.abs(constants.inverse).max() < 100
