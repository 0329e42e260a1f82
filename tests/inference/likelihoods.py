"""Log-likelihoods of one event with closed forms, as (theta (k,), *data) -> ()."""

import jax.numpy as jnp


def gaussian(theta, x):
    """Mean and logarithm of the width, of a sample x (m,)."""
    mean, log_width = theta
    return jnp.sum(-0.5 * ((x - mean) / jnp.exp(log_width)) ** 2 - log_width)


def poisson(theta, n):
    """Mean of a count n ()."""
    return n * jnp.log(theta[0]) - theta[0]


def on_off(theta, n, m):
    """Signal s and background b: counts n ~ Poisson(s + b) and m ~ Poisson(3 b)."""
    s, b = theta
    return n * jnp.log(s + b) - s - b + m * jnp.log(3 * b) - 3 * b


def line(theta, x, y, sigma):
    """Coefficients of a polynomial in x (m,), from y (m,) with Gaussian errors sigma (m,)."""
    return -0.5 * jnp.sum(((y - jnp.polyval(theta, x)) / sigma) ** 2)
