"""Mean and width as polynomials of the condition."""

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import transforms


def sample(n=20_000):
    rng = np.random.default_rng(5)
    cond = rng.uniform(-1, 2, (n, 1))
    mean = np.concatenate([1 + 2 * cond - cond**2, np.full_like(cond, 7.0)], -1)
    scale = np.exp(np.concatenate([0.3 - 0.8 * cond, 0.1 * cond**3], -1))
    return mean + scale * rng.normal(size=(n, 2)), cond, mean, scale


def test_finds_the_polynomials():
    x, cond, mean, scale = sample()
    constants = transforms.trend(3).fit(x, cond)
    y, log_det = transforms.trend(3).forward(constants, jnp.asarray(mean + scale), jnp.asarray(cond))
    # Four coefficients from 20,000 events; the logarithm of a squared residual spreads by 2.2.
    np.testing.assert_allclose(y, 1.0, atol=0.12)
    np.testing.assert_allclose(log_det, -np.log(scale).sum(-1), atol=0.15)


def test_weights_choose_the_sample():
    x, cond, _, _ = sample(4000)
    half = (np.arange(len(x)) % 2).astype(float)
    weighted = transforms.trend(2).fit(x, cond, half)
    alone = transforms.trend(2).fit(x[1::2], cond[1::2])
    for a, b in zip(weighted, alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


def test_a_constant_column_stays_finite():
    cond = np.linspace(0, 1, 100)[:, None]
    constants = transforms.trend().fit(np.ones((100, 1)), cond)
    y, log_det = transforms.trend().forward(constants, jnp.ones((100, 1)), jnp.asarray(cond))
    assert np.isfinite(y).all() and np.isfinite(log_det).all()


def test_second_derivative_in_the_condition_is_continuous():
    x, cond, _, _ = sample(2000)
    constants = transforms.trend(3).fit(x, cond)

    def value(c):
        return transforms.trend(3).forward(constants, jnp.ones(2), c[None])[0].sum()

    grid = jnp.linspace(-1.5, 2.5, 2001)
    third = jax.vmap(jax.grad(jax.grad(jax.grad(value))))(grid)
    second = jax.vmap(jax.grad(jax.grad(value)))(grid)
    steps = jnp.abs(jnp.diff(second)) / (grid[1] - grid[0])
    assert steps.max() <= 1.5 * jnp.abs(third).max() + 1.0
