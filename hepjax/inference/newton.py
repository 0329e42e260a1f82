"""Newton's method in a box, for functions of few parameters; written for one event and mapped over batches.

Every iteration evaluates value, gradient and Hessian once, at the trial point, so that a batch under `vmap` walks in
step: an event whose trial was refused shortens its step in the next iteration, and events that have arrived wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

Function = Callable[[Array], Array]
ARMIJO = 1e-4
SHORTER = 0.25


class Expansion(NamedTuple):
    """A function about a point: theta (k,), value (), gradient (k,), hessian (k, k)."""

    theta: Float[Array, " k"]
    value: Float[Array, ""]
    gradient: Float[Array, " k"]
    hessian: Float[Array, "k k"]


class Step(NamedTuple):
    """The way to the minimum as seen from one point.

    direction: (k,). distance: the length of the Newton step in standard deviations, sqrt(g H^-1 g), which is the square
    root of twice the decrease that is to be expected. condition: largest over smallest eigenvalue of the Hessian of the
    free parameters, scaled to unit diagonal; infinite where it is not positive definite.
    """

    direction: Float[Array, " k"]
    distance: Float[Array, ""]
    condition: Float[Array, ""]


class Minimum(NamedTuple):
    """The last point, the step that would be next, whether the point is a minimum, and iterations done."""

    point: Expansion
    step: Step
    converged: Bool[Array, ""]
    iterations: Int[Array, ""]


class Box(NamedTuple):
    """low (k,), high (k,): may be infinite; where they are equal, the parameter is fixed."""

    low: Float[Array, " k"]
    high: Float[Array, " k"]

    def active(self, theta: Float[Array, " k"], gradient: Float[Array, " k"]) -> Bool[Array, " k"]:
        """Where the parameter lies at a bound and the function falls beyond it."""
        at_low, at_high = theta <= self.low, theta >= self.high
        return (at_low & (gradient > 0)) | (at_high & (gradient < 0)) | (at_low & at_high)

    def tie(self, theta: Float[Array, " k"], where: Bool[Array, " k"]) -> Float[Array, " k"]:
        """The same theta, but as a function of the bound where a parameter lies there."""
        return jnp.where(where, jnp.where(theta <= self.low, self.low, self.high), theta)

    def fix(self, index: Int[Array, ""] | int, value: Float[Array, ""]) -> Box:
        """The box in which one parameter has one value."""
        return Box(self.low.at[index].set(value), self.high.at[index].set(value))


class _State(NamedTuple):
    """point: the best so far. length: of the next step, 1 for Newton's own."""

    point: Expansion
    length: Float[Array, ""]
    iterations: Int[Array, ""]
    done: Bool[Array, ""]


def expand(function: Function, theta: Float[Array, " k"]) -> Expansion:
    """Value, gradient and Hessian at a point: forward over reverse, and forward over forward for one parameter."""
    if len(theta) == 1:
        one = jnp.ones_like(theta)
        slope = lambda t: jax.jvp(function, (t,), (one,))  # noqa: E731
        (value, gradient), (_, hessian) = jax.jvp(slope, (theta,), (one,))
        return Expansion(theta, value, gradient[None], hessian[None, None])

    def gradient_and_value(t):
        value, gradient = jax.value_and_grad(function)(t)
        return gradient, (gradient, value)

    hessian, (gradient, value) = jax.jacfwd(gradient_and_value, has_aux=True)(theta)
    return Expansion(theta, value, gradient, hessian)


def step(point: Expansion, box: Box) -> Step:
    """Newton's step of the parameters that are free to move, downhill also where the Hessian is not positive definite.

    The Hessian is scaled to unit diagonal, so that no unit of a parameter matters, and the absolute values of its
    eigenvalues are used. No parameter moves further than across its box, or ten times its size if that is not finite.
    """
    tiny = jnp.sqrt(jnp.finfo(point.theta.dtype).eps)
    free = ~box.active(point.theta, point.gradient)
    unit = jnp.sqrt(jnp.abs(jnp.diagonal(point.hessian)))
    unit = jnp.where(unit > 0, unit, 1)
    scaled = jnp.where(free[:, None] & free, point.hessian / (unit[:, None] * unit), jnp.eye(len(unit)))
    values, vectors = _eigen(scaled)
    size = jnp.maximum(jnp.abs(values), tiny)
    slope = jnp.where(free, point.gradient / unit, 0) @ vectors
    direction = -(vectors @ (slope / size)) / unit
    width = box.high - box.low
    reach = jnp.where(jnp.isfinite(width), width, 10 * (1 + jnp.abs(point.theta)))
    excess = jnp.max(jnp.where(free, jnp.abs(direction) / jnp.where(free, reach, 1), 0))
    condition = jnp.where(values[0] > tiny**2 * len(unit), values[-1] / values[0], jnp.inf)
    return Step(direction / jnp.maximum(excess, 1), jnp.sqrt(jnp.sum(slope**2 / size)), condition)


def minimize(
    function: Function, start: Float[Array, " k"], box: Box, *, tolerance: float, max_iterations: int
) -> Minimum:
    """Projected Newton steps with backtracking (Bertsekas, SIAM J. Control Optim. 20 (1982) 221).

    A step shorter than `tolerance` standard deviations is taken and is the last one. The result has converged if the
    next one would be so short too, and the Hessian of the free parameters is positive definite.
    """
    eps = jnp.finfo(start.dtype).eps

    def advance(state: _State) -> _State:
        point, length = state.point, state.length
        way = step(point, box)
        trial = expand(function, jnp.clip(point.theta + length * way.direction, *box))
        promised = point.gradient @ (trial.theta - point.theta)
        noise = 4 * eps * (1 + jnp.abs(point.value))  # near the minimum no decrease can be seen
        better = trial.value <= point.value + ARMIJO * promised + noise
        better &= jnp.isfinite(trial.gradient).all() & jnp.isfinite(trial.hessian).all()
        point = jax.tree.map(lambda new, old: jnp.where(better, new, old), trial, point)
        length = jnp.where(better, 1.0, SHORTER * length)
        return _State(point, length, state.iterations + 1, ~(way.distance > tolerance) | (length < eps))

    start = jnp.clip(start, *box)
    state = _State(expand(function, start), jnp.ones_like(start[0]), jnp.asarray(0), jnp.asarray(False))
    state = jax.lax.while_loop(lambda s: ~s.done & (s.iterations < max_iterations), advance, state)
    way = step(state.point, box)
    converged = (way.distance <= tolerance) & jnp.isfinite(way.condition)
    return Minimum(state.point, way, converged, state.iterations)


def precision(dtype) -> float:
    """A distance in standard deviations that Newton's next step squares into the rounding: 2e-3, or 5e-7 in float64."""
    return float(jnp.finfo(dtype).eps ** 0.4)


def _eigen(matrix: Float[Array, "k k"]) -> tuple[Float[Array, " k"], Float[Array, "k k"]]:
    """Eigenvalues, rising, and eigenvectors; without LAPACK for one parameter, the common case in large batches."""
    if len(matrix) == 1:
        return matrix[0], jnp.ones_like(matrix)
    return jnp.linalg.eigh(matrix)
