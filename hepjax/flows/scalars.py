"""Families of increasing functions of one coordinate, the elements of coupling and autoregressive flows.

theta (size, ...) holds the parameters of the function of every element of x (...): they come first, and flows put the
events last, since XLA vectorises along the last axis. Zero parameters are the identity or near to it, and all functions
are safe in float32: parameters of +-30 and coordinates of +-1e3 give finite values and gradients.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hepjax.caching import cached

LOGIT = 4.0
"""Bound of the raw parameters of splines."""

MOST_STEPS = 100
"""Of the search for the inverse of a mixture; bisection alone settles in fewer."""


class Scalar(NamedTuple):
    """An increasing function of every element.

    size: number of parameters of one function.
    forward: (theta (size, ...), x (...)) -> (z (...), log dz/dx (...)).
    inverse: (theta (size, ...), z (...)) -> (x (...), log dx/dz (...)).
    """

    size: int
    forward: Callable[[Array, Array], tuple[Array, Array]]
    inverse: Callable[[Array, Array], tuple[Array, Array]]


@cached
def affine(bound: float = 3.0) -> Scalar:
    """`z = x exp(s) + t`, smooth, with s = theta_0 held within +-bound and t = theta_1."""

    def forward(theta, x):
        s = _hold(theta[0], bound)
        return x * jnp.exp(s) + theta[1], s

    def inverse(theta, z):
        s = _hold(theta[0], bound)
        return (z - theta[1]) * jnp.exp(-s), -s

    return Scalar(2, forward, inverse)


def _hold(x: Array, bound: float) -> Array:
    """Smoothly into (-bound, bound), unchanged near zero; unlike that of tanh, the slope never underflows."""
    return x * jax.lax.rsqrt(1 + (x / bound) ** 2)


@cached
def spline(bins: int = 8, bound: float = 5.0, *, min_bin: float = 1e-2, min_slope: float = 1e-2) -> Scalar:
    """Monotonic rational-quadratic spline on [-bound, bound], the identity outside (arXiv:1906.04032).

    It is C1 only: right for sampling, wrong for second derivatives of a likelihood, which call for `mixture`.
    min_bin and min_slope, the least size of a bin and the least slope at a knot, and the bound on the logits of the
    bins keep the round trip well conditioned in float32.

    Raises ValueError when `bins` bins of min_bin do not fit.
    """
    if bins < 2 or bins * min_bin >= 2 * bound or not 0 < min_slope < 1:
        raise ValueError(f"{bins} bins of at least {min_bin} and slopes over {min_slope} do not fit in +-{bound}")
    # Zero parameters give the slope one.
    offset = float(np.log(np.expm1(1 - min_slope)))

    def sizes(theta):
        share = jnp.exp(theta)
        return share * ((2 * bound - bins * min_bin) / share.sum(0)) + min_bin

    def find(theta, value, backwards=False):
        """The bin of every value, the first or the last one for those outside; a mask is faster than to gather."""
        theta = _hold(theta, LOGIT)
        width, height, slopes = sizes(theta[:bins]), sizes(theta[bins : 2 * bins]), theta[2 * bins :]
        x, z = (jnp.cumsum(a[:-1], axis=0) - bound for a in (width, height))
        above = value >= (z if backwards else x)
        true, edge = jnp.ones_like(above[:1]), jnp.full_like(x[:1], -bound)
        here = jnp.concatenate([true, above]) & ~jnp.concatenate([above, ~true])
        one = jnp.zeros_like(x[:1])  # as a raw slope
        arrays = ((edge, x), (width,), (edge, z), (height,), (one, slopes), (slopes, one))
        x, width, z, height, left, right = (jnp.where(here, jnp.concatenate(a), 0).sum(0) for a in arrays)
        left, right = (jax.nn.softplus(a + offset) + min_slope for a in (left, right))
        return _Bin(x, width, z, height, left, right)

    def forward(theta, x):
        k = find(theta, x)
        u = jnp.clip((x - k.x) / k.width, 0, 1)
        v = u * (1 - u)
        mean = k.height / k.width
        z = k.z + k.height * (mean * u**2 + k.left * v) / (mean + (k.left + k.right - 2 * mean) * v)
        inside = jnp.abs(x) < bound
        return jnp.where(inside, z, x), jnp.where(inside, _log_slope(k, u), 0)

    def inverse(theta, z):
        k = find(theta, z, backwards=True)
        share = jnp.clip((z - k.z) / k.height, 0, 1)
        mean = k.height / k.width
        bend = (k.left + k.right - 2 * mean) * share
        # The root of a u^2 + b u + c = 0 in [0, 1] (eqs. 26-29), in the form that does not cancel for the sign of b.
        b = k.left - bend
        a, c = mean - b, -mean * share
        q = jnp.abs(b) + jnp.sqrt(jnp.maximum(b**2 - 4 * a * c, jnp.finfo(z.dtype).tiny))
        u = jnp.clip(jnp.where(b > 0, -2 * c, q) / jnp.where(b > 0, q, 2 * a), 0, 1)
        inside = jnp.abs(z) < bound
        return jnp.where(inside, k.x + u * k.width, z), jnp.where(inside, -_log_slope(k, u), 0)

    return Scalar(3 * bins - 1, forward, inverse)


class _Bin(NamedTuple):
    """A bin of a spline: left edge and size in x and in z, slopes at the left and the right edge."""

    x: Array
    width: Array
    z: Array
    height: Array
    left: Array
    right: Array


def _log_slope(k: _Bin, u: Array) -> Array:
    """log dz/dx at the share u of a bin (arXiv:1906.04032, eq. 5)."""
    v = u * (1 - u)
    mean = k.height / k.width
    numerator = k.right * u**2 + 2 * mean * v + k.left * (1 - u) ** 2
    return 2 * jnp.log(mean / (mean + (k.left + k.right - 2 * mean) * v)) + jnp.log(numerator)


@cached
def mixture(components: int = 8, *, min_scale: float = 1e-2, min_slope: float = 1e-2) -> Scalar:
    """Logit of a mixture of logistic distribution functions (Flow++, arXiv:1902.00275, eqs. 12-13), infinitely smooth.

        z = (1 - e) logit F(x) + e x,   F(x) = sum_k w_k sigmoid((x - m_k) / s_k),   sum_k w_k = 1,   s_k > min_scale

    Right for inference, which differentiates a density twice in x and in the condition. e = min_slope bounds the slope
    from below, so that the inverse is well conditioned also between components far apart. It is found by Newton's
    method in a bracket; its derivatives of any order come from the implicit function theorem. The components start at
    different places, their sum near the identity.
    """
    places = np.linspace(-1, 1, components) if components > 1 else np.zeros(1)
    # The mixture has the variance of the logistic distribution of scale one.
    offset = float(np.log(np.expm1(np.sqrt(1 - 3 * np.var(places) / np.pi**2) - min_scale)))

    def unpack(theta) -> tuple[Array, Array, Array]:
        """Logarithms of the weights, places, scales; each (components, ...)."""
        logits, shift, raw = jnp.split(theta, 3)
        start = jnp.asarray(places, theta.dtype).reshape(-1, *(1,) * (theta.ndim - 1))
        return jax.nn.log_softmax(logits, axis=0), shift + start, min_scale + jax.nn.softplus(raw + offset)

    def forward(theta, x):
        log_weight, place, scale = unpack(theta)
        a = (x - place) / scale
        log_lower = jax.nn.log_sigmoid(a)
        log_upper = log_lower - a
        lower = jax.nn.logsumexp(log_weight + log_lower, axis=0)
        upper = jax.nn.logsumexp(log_weight + log_upper, axis=0)
        density = jax.nn.logsumexp(log_weight + log_lower + log_upper - jnp.log(scale), axis=0)
        log_slope = jnp.logaddexp(np.log(1 - min_slope) + density - lower - upper, np.log(min_slope))
        return (1 - min_slope) * (lower - upper) + min_slope * x, log_slope

    def bracket(theta, z):
        """The smallest and the largest of what the components alone would give; the mixture lies between."""
        _, place, scale = unpack(theta)
        ends = (scale * z + (1 - min_slope) * place) / (1 - min_slope + min_slope * scale)
        return ends.min(0), ends.max(0)

    @jax.custom_jvp
    def solve(theta, z):
        return _newton(lambda x: forward(theta, x), z, *bracket(theta, z))

    @solve.defjvp
    def implicit(primals, tangents):
        theta, z = primals
        x = solve(theta, z)
        z_dot = jax.jvp(lambda theta: forward(theta, x)[0], (theta,), (tangents[0],))[1]
        return x, (tangents[1] - z_dot) * jnp.exp(-forward(theta, x)[1])

    def inverse(theta, z):
        x = solve(theta, z)
        return x, -forward(theta, x)[1]

    return Scalar(3 * components, forward, inverse)


class _Search(NamedTuple):
    """A bracketed root: where it can be, where the search stands, the length of its last step, and steps done."""

    low: Array
    high: Array
    x: Array
    step: Array
    count: int | Array = 0


def _newton(function: Callable[[Array], tuple[Array, Array]], goal: Array, low: Array, high: Array) -> Array:
    """Where an increasing function, given as x -> (value, log slope), has the value `goal`.

    Newton's method; bisection where it leaves the bracket or does not halve its steps.
    """
    tiny = 4 * float(jnp.finfo(goal.dtype).eps)

    def settled(s: _Search) -> Array:
        return s.step <= tiny * (1 + jnp.abs(s.x))

    def improve(s: _Search) -> _Search:
        value, log_slope = function(s.x)
        low, high = jnp.where(value < goal, s.x, s.low), jnp.where(value > goal, s.x, s.high)
        newton = s.x - (value - goal) * jnp.exp(-log_slope)
        length = jnp.abs(newton - s.x)
        safe = (newton >= low) & (newton <= high) & (length <= 0.5 * s.step) | (length <= tiny * (1 + jnp.abs(s.x)))
        x = jnp.where(safe, newton, 0.5 * (low + high))
        x = jnp.where(settled(s), s.x, x)
        return _Search(low, high, x, jnp.abs(x - s.x), s.count + 1)

    start = _Search(low, high, 0.5 * (low + high), high - low)
    return jax.lax.while_loop(lambda s: ~settled(s).all() & (s.count < MOST_STEPS), improve, start).x
