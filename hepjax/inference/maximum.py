"""Maximum of a likelihood by its gradients, differentiable by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hepjax.inference import implicit, newton
from hepjax.types import InputError

LogProb = Callable[..., Array]
Bounds = tuple[Any, Any] | None


class Maximum(NamedTuple):
    """Maximum-likelihood estimates.

    theta: (..., k). log_prob: (...,) at theta, in nats.
    converged: (...,), whether theta is a maximum: `distance` within the tolerance and the Hessian definite.
    at_bound: (..., k), where the likelihood still rises beyond the bound.
    distance: (...,) norm of the gradient in units of its own error, sqrt(g H^-1 g), which is the distance to the
        maximum in standard deviations. condition: (...,) condition number of the Hessian, scaled to unit diagonal.
        Both of the parameters that are not at a bound.
    iterations: (...,) evaluations of the likelihood and its derivatives after the first one.
    """

    theta: Float[Array, "*batch k"]
    log_prob: Float[Array, "*batch"]
    converged: Bool[Array, "*batch"]
    at_bound: Bool[Array, "*batch k"]
    distance: Float[Array, "*batch"]
    condition: Float[Array, "*batch"]
    iterations: Int[Array, "*batch"]


def maximize(
    log_prob: LogProb,
    start: Float[Array, "*batch k"],
    bounds: Bounds = None,
    *data: Any,
    tolerance: float | None = None,
    max_iterations: int = 50,
) -> Maximum:
    """theta_hat = argmax of log_prob(theta, *data) over a box, for every event of a batch.

    log_prob: (theta (k,), one event of each of `data`) -> () in nats; twice differentiable. It may close over
        parameters. start: (..., k), see `best_start`. bounds: (low, high), each broadcast to `start`; infinite or None
        where there is none, equal to fix a parameter. data: pytrees whose leaves have the leading axes of `start`.
    tolerance: in standard deviations of theta; by default 2e-3 in float32 and 5e-7 in float64, before a last step.

    Derivatives of theta with respect to data, bounds and whatever log_prob closes over follow from the condition that
    the gradient vanishes: d theta = H^-1 d(gradient) with the k x k Hessian H of -log_prob, solved by Cholesky, in
    forward and reverse mode and to any order. A parameter at its bound moves with the bound and nothing else. Where
    the search has not converged derivatives are NaN, or 0 if nothing downstream asks for them, so that
    `jnp.where(converged, theta, 0)` is safe. The maximum is a local one, uphill from the start.

    It is compiled at every call, so call it from within a jitted function if there are several.
    Raises InputError for bounds that do not fit `start`.

    >>> def log_prob(mean, count):  # of a Poisson distribution
    ...     return count * jnp.log(mean[0]) - mean[0]
    >>> maximum = maximize(log_prob, jnp.ones((2, 1)), (0.1, 20.0), jnp.array([4.0, 30.0]))
    >>> maximum.theta.round(3).tolist(), maximum.converged.tolist(), maximum.at_bound.tolist()
    ([[4.0], [20.0]], [True, True], [[False], [True]])
    """
    start = jnp.asarray(start, jnp.result_type(start, float))
    tolerance = newton.precision(start.dtype) if tolerance is None else tolerance

    def one(start, low, high, *data):
        nll = lambda theta: -log_prob(theta, *data)  # noqa: E731
        return _maximize_one(nll, start, newton.Box(low, high), tolerance, max_iterations)

    return over_events(one, start.shape[:-1])(start, *box_of(bounds, start), *data)


def best_start(log_prob: LogProb, candidates: Float[Array, "*batch s k"], *data: Any) -> Float[Array, "*batch k"]:
    """The most likely of several candidates for each event, (..., k), as a start for `maximize`.

    candidates: (..., s, k), a coarse grid for instance. log_prob and data as in `maximize`.
    """

    def one(candidates, *data):
        values = jax.vmap(lambda theta: log_prob(theta, *data))(candidates)
        return candidates[jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values))]

    return over_events(one, candidates.shape[:-2])(candidates, *data)


def box_of(bounds: Bounds, theta: Float[Array, "*batch k"]) -> newton.Box:
    """Bounds of every parameter of every event. Raises InputError for bounds that do not broadcast to theta."""
    low, high = (-jnp.inf, jnp.inf) if bounds is None else bounds
    try:
        return newton.Box(*(jnp.broadcast_to(jnp.asarray(b, theta.dtype), theta.shape) for b in (low, high)))
    except ValueError as error:
        shapes = " and ".join(str(jnp.shape(b)) for b in (low, high))
        raise InputError(f"bounds of shapes {shapes} do not fit parameters of shape {theta.shape}") from error


def over_events(one: Callable, batch: tuple[int, ...]) -> Callable:
    """A function of one event, mapped over leading axes and compiled."""
    for _ in batch:
        one = jax.vmap(one)
    return jax.jit(one)


def _maximize_one(nll: newton.Function, start, box: newton.Box, tolerance: float, max_iterations: int) -> Maximum:
    def solve(start):
        point, way, converged, iterations = newton.minimize(
            nll, start, box, tolerance=tolerance, max_iterations=max_iterations
        )
        at_bound = box.active(point.theta, point.gradient)
        return point.theta, converged, (at_bound, way.distance, way.condition, iterations)

    def residual(theta):
        """The gradient, or the way to the bound: with the Jacobian H of the free parameters and 1 of the others."""
        active = box.active(theta, jax.grad(nll)(theta))
        tied = box.tie(theta, active)
        return jnp.where(active, theta - tied, jax.grad(nll)(tied))

    theta, converged, diagnostics = implicit.root(residual, solve, start, symmetric=True)
    at_bound, distance, condition, iterations = diagnostics
    return Maximum(theta, -nll(theta), converged, at_bound > 0, distance, condition, iterations.astype(int))
