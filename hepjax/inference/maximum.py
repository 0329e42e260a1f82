"""Maximum of a likelihood by its gradients, differentiable by the implicit function theorem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from hepjax.inference import implicit, newton
from hepjax.types import InputError

LogProb = Callable[..., Array]
Bounds = Sequence[Any] | None


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
    start: Any,
    bounds: Bounds = None,
    *data: Any,
    tolerance: float | None = None,
    max_iterations: int = 50,
) -> Maximum:
    """theta_hat = argmax of log_prob(theta, *data) over a box, for every event of a batch.

    log_prob: (theta (k,), one event of each of `data`) -> () in nats; twice differentiable. It may close over
        parameters. start: (..., k), array or list, see `best_start`; what lies outside of the bounds starts at them.
        bounds: (low, high), each an array or list that is broadcast to `start`; infinite or None where there is none,
        for all parameters or some of a list, and equal to fix a parameter. data: pytrees whose leaves have the leading
        axes of `start`.
    tolerance: in standard deviations of theta; by default 2e-3 in float32 and 5e-7 in float64, before a last step.

    Derivatives of theta with respect to data, bounds and whatever log_prob closes over follow from the condition that
    the gradient vanishes: d theta = H^-1 d(gradient) with the k x k Hessian H of -log_prob, solved by Cholesky, in
    forward and reverse mode and to any order. A parameter at its bound moves with the bound and nothing else. Where
    the search has not converged derivatives are NaN, or 0 if nothing downstream asks for them, so that
    `jnp.where(converged, theta, 0)` is safe. The maximum is a local one, uphill from the start.

    It is compiled at every call, so call it from within a jitted function if there are several.
    Raises InputError for a start that is no array of parameters, and for bounds that do not fit it or each other.

    >>> def log_prob(mean, count):  # of a Poisson distribution
    ...     return count * jnp.log(mean[0]) - mean[0]
    >>> maximum = maximize(log_prob, jnp.ones((2, 1)), (0.1, 20.0), jnp.array([4.0, 30.0]))
    >>> maximum.theta.round(3).tolist(), maximum.converged.tolist(), maximum.at_bound.tolist()
    ([[4.0], [20.0]], [True, True], [[False], [True]])
    """
    start = _parameters(start)
    tolerance = newton.precision(start.dtype) if tolerance is None else tolerance

    def one(start, low, high, *data):
        nll = lambda theta: -log_prob(theta, *data)  # noqa: E731
        return _maximize_one(nll, start, newton.Box(low, high), tolerance, max_iterations)

    return over_events(one, start.shape[:-1])(start, *box_of(bounds, start), *data)


def best_start(log_prob: LogProb, candidates: Any, *data: Any) -> Float[Array, "*batch k"]:
    """The most likely of several candidates for each event, (..., k), as a start for `maximize`.

    candidates: (..., s, k), a coarse grid for instance. log_prob and data as in `maximize`.
    """

    candidates = _parameters(candidates)

    def one(candidates, *data):
        values = jax.vmap(lambda theta: log_prob(theta, *data))(candidates)
        return candidates[jnp.argmax(jnp.where(jnp.isnan(values), -jnp.inf, values))]

    return over_events(one, candidates.shape[:-2])(candidates, *data)


def box_of(bounds: Bounds, theta: Float[Array, "*batch k"]) -> newton.Box:
    """Bounds of every parameter of every event. Raises InputError for bounds that do not broadcast to theta."""
    if bounds is not None and len(bounds) != 2:
        raise InputError(f"bounds have {len(bounds)} parts, expected (low, high)")
    low, high = (None, None) if bounds is None else bounds
    box = newton.Box(_bound("low", low, -jnp.inf, theta), _bound("high", high, jnp.inf, theta))
    if not isinstance(box.low, Tracer) and not isinstance(box.high, Tracer):
        wrong = ~(np.asarray(box.low) <= np.asarray(box.high))
        if wrong.any():
            low, high = (np.asarray(bound)[wrong][0] for bound in box)
            raise InputError(f"bounds from {low:g} to {high:g}, expected low <= high for every parameter")
    return box


def _bound(side: str, bound: Any, without: float, theta: Float[Array, "*batch k"]) -> Float[Array, "*batch k"]:
    """One side of a box: `without` in place of None, also inside of lists."""
    bound = jax.tree.map(lambda x: without if x is None else x, bound, is_leaf=lambda x: x is None)
    try:
        bound = jnp.asarray(bound, theta.dtype)
        return jnp.broadcast_to(bound, theta.shape)
    except (TypeError, ValueError) as error:
        found = f"of shape {jnp.shape(bound)}" if isinstance(bound, jax.Array) else f"{bound!r}"
        raise InputError(
            f"bounds: {side} is {found}, expected numbers for parameters of shape {theta.shape}"
        ) from error


def _parameters(start: Any) -> Float[Array, "*batch k"]:
    """A start as an array in floating point."""
    try:
        start = jnp.asarray(start)
    except (TypeError, ValueError) as error:
        raise InputError(f"start: {start!r}, expected an array (..., k) of parameters") from error
    if not start.ndim:
        raise InputError("start: a single number, expected an array (..., k) of parameters")
    return start.astype(jnp.result_type(start, float))


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
