"""Likelihood intervals, of one parameter at a time with the others profiled."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hepjax.inference import implicit, newton
from hepjax.inference.information import covariance
from hepjax.inference.maximum import Bounds, LogProb, Maximum, box_of, over_events
from hepjax.types import InputError

MAX_STEPS = 40
MAX_ITERATIONS = 50


class Intervals(NamedTuple):
    """Ends of the likelihood interval of every parameter; all (..., k).

    low, high: the ends, in the units of theta. low_open, high_open: whether the bound came before the end; the bound is
    returned then, and the interval is one-sided. converged: whether both ends are found, about a maximum that is one.
    """

    low: Float[Array, "*batch k"]
    high: Float[Array, "*batch k"]
    low_open: Bool[Array, "*batch k"]
    high_open: Bool[Array, "*batch k"]
    converged: Bool[Array, "*batch k"]


class _Search(NamedTuple):
    """Where to look next: theta (k,), with theta[index] at `distance` from the maximum, between inner and outer."""

    inner: Float[Array, ""]
    outer: Float[Array, ""]
    distance: Float[Array, ""]
    theta: Float[Array, " k"]
    found: Bool[Array, ""]
    steps: Int[Array, ""]


def intervals(log_prob: LogProb, maximum: Maximum, bounds: Bounds = None, *data: Any, level: float = 1.0) -> Intervals:
    """Where -2 ln(L / L_max) = level, below and above the maximum, for one parameter at a time.

    The likelihood is profiled over the other parameters. log_prob, bounds and data are those of `maximize`, which gave
    `maximum`. level: 1 for 68.3 and 3.84 for 95 percent coverage (S. S. Wilks, Ann. Math. Stat. 9 (1938) 60).

    Newton's method on r = sqrt(-2 ln(L / L_max)), a straight line where the likelihood is Gaussian, with bisection
    as its safeguard; it starts from the curvature at the maximum. Of several crossings one is found.
    Derivatives are implicit, as those of `maximize`. Raises InputError for a level that is not positive.
    """
    if level <= 0:
        raise InputError(f"the level of a likelihood interval must be positive, got {level}")

    def one(theta, box, *data):
        return _both_ends(lambda theta: -log_prob(theta, *data), theta, box, level)

    theta = maximum.theta
    low, high, low_open, high_open, found = over_events(one, theta.shape[:-1])(theta, box_of(bounds, theta), *data)
    return Intervals(low, high, low_open, high_open, found & maximum.converged[..., None])


def _both_ends(nll: newton.Function, theta: Float[Array, " k"], box: newton.Box, level: float):
    """low, high, low_open, high_open, and whether both are found; all of shape (k,)."""

    def end(index, side):
        def solve(start):
            theta, found = _search(nll, start, box, index, side, level)
            return theta, found, ()

        def residual(end):
            """The equations of the profile, but for theta[index] that of the likelihood ratio; or the way to bounds."""
            active = box.active(end, jax.grad(nll)(end)).at[index].set(_at_bound(end[index], box, index, side))
            tied = box.tie(end, active)
            ratio = nll(tied) - nll(theta) - level / 2
            return jnp.where(active, end - tied, jax.grad(nll)(tied).at[index].set(ratio))

        end, found, _ = implicit.root(residual, solve, theta)
        return end[index], _at_bound(end[index], box, index, side), found

    sides, indices = jnp.asarray([-1, 1], theta.dtype), jnp.arange(len(theta))
    ends, open_, found = jax.vmap(jax.vmap(end, (0, None)), (None, 0))(indices, sides)
    return *ends, *open_, found.all(0)


def _search(nll: newton.Function, maximum: Float[Array, " k"], box: newton.Box, index, side, level: float):
    """All parameters at one end of the interval of theta[index], and whether it is found or a bound came before."""
    point = newton.expand(nll, maximum)
    bound = jnp.where(side > 0, box.high[index], box.low[index])
    limit = jnp.abs(bound - maximum[index])
    way, first = _outset(point, box, index, side, level)
    goal, tolerance = level**0.5, newton.precision(maximum.dtype)

    def move(theta, by, distance):
        """The profiled parameters go on along their covariance with theta[index]."""
        theta = jnp.clip(theta + by * way, *box)
        return theta.at[index].set(jnp.where(distance < limit, maximum[index] + side * distance, bound))

    def look(search: _Search) -> _Search:
        here, converged = _profiled(nll, search.theta, box, index)
        r = jnp.sqrt(jnp.maximum(2 * (here.value - point.value), 0))
        below, distance = r < goal, search.distance
        inner, outer = jnp.where(below, distance, search.inner), jnp.where(below, search.outer, distance)
        guess = distance + (goal - r) * r / (side * here.gradient[index])
        safe = jnp.where(jnp.isfinite(outer), (inner + outer) / 2, 2 * distance)
        after = jnp.minimum(jnp.where((r > 0) & (guess >= inner) & (guess <= outer), guess, safe), limit)
        found = converged & ((jnp.abs(r - goal) <= tolerance * goal) | (below & (distance >= limit)))
        return _Search(inner, outer, after, move(here.theta, after - distance, after), found, search.steps + 1)

    first = jnp.minimum(first, limit)
    zero = jnp.zeros_like(first)
    start = _Search(zero, zero + jnp.inf, first, move(maximum, first, first), jnp.asarray(False), jnp.asarray(0))
    search = jax.lax.while_loop(lambda s: ~s.found & (s.steps < MAX_STEPS), look, start)
    return search.theta, search.found


def _outset(point: newton.Expansion, box: newton.Box, index, side, level: float):
    """Direction (k,) of the profile at the maximum, and the distance to where its slope and curvature put the end.

    The slope vanishes unless the maximum is at a bound. Without a usable curvature the search sets out anyhow.
    """
    free = ~box.active(point.theta, point.gradient)
    spread = covariance(jnp.where(free[:, None] & free, point.hessian, jnp.eye(len(free))))[index]
    usable, size = spread[index] > 0, 1 + jnp.abs(point.theta[index])
    way = jnp.where(usable, spread / spread[index], 0).at[index].set(1)
    slope = jnp.maximum(side * point.gradient[index], 0)
    first = level / (slope + jnp.sqrt(slope**2 + level / spread[index]))
    return side * way, jnp.where(usable, first, size)


def _profiled(nll: newton.Function, theta: Float[Array, " k"], box: newton.Box, index):
    """The expansion about the best of the other parameters, and whether that is a maximum of the likelihood."""
    if len(theta) == 1:
        value, gradient = jax.value_and_grad(nll)(theta)
        return newton.Expansion(theta, value, gradient, jnp.zeros((1, 1))), True
    tolerance = newton.precision(theta.dtype)
    fixed = box.fix(index, theta[index])
    minimum = newton.minimize(nll, theta, fixed, tolerance=tolerance, max_iterations=MAX_ITERATIONS)
    return minimum.point, minimum.converged


def _at_bound(value: Float[Array, ""], box: newton.Box, index, side) -> Bool[Array, ""]:
    return jnp.where(side > 0, value >= box.high[index], value <= box.low[index])
