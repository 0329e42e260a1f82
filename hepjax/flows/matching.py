"""Continuous normalising flow, trained by conditional flow matching."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax import dynamics
from hepjax.caching import cached
from hepjax.flows.base import normal
from hepjax.losses import weighted_mean
from hepjax.types import Flow, InputError, Net

MAX_STEPS = 4096
Rate = Callable[[Array, Array], Array]


@cached
def matching(
    net: Net,
    dim: int,
    *,
    sigma_min: float = 0.0,
    steps: int = 50,
    method: str = "heun",
    divergence: str = "exact",
    probes: int = 1,
    seed: int = 0,
    solver: str = "fixed",
    rtol: float = 1e-5,
    atol: float = 1e-5,
) -> Flow:
    """Flow along the ODE dx/dt = net(x, cond, t) from data (t = 0) to standard normal noise (t = 1).

        x_t = (1 - t) x0 + (sigma_min + (1 - sigma_min) t) z,   t uniform in (0, 1), z ~ N(0, 1)
        loss = |net(x_t, cond, t) - (1 - sigma_min) z + x0|^2 / dim       (arXiv:2210.02747, eq. 22-23, time reversed)
        log p(x) = log N(x_1) + int_0^1 div net(x_t, cond, t) dt          (arXiv:1806.07366, eq. 8)

    sigma_min = 0 is rectified flow (arXiv:2209.03003). The loss is no nll; `sample` takes `steps` steps of `method`.

    net: (x (..., dim), cond (..., c) or None, time in [0, 1]) -> (..., dim). Units: those of the (standardised) data.
    divergence: "exact" differentiates in all directions of x. "hutchinson" takes `probes` random directions of +-1
        instead (arXiv:1810.01367), drawn from `seed` once and the same for all events and times, so that log_prob stays
        a smooth function of x. Over seeds log_prob is unbiased, exp(log_prob) is not.
    solver: of log_prob. "fixed" takes the steps of `sample`. "adaptive" is the method of Tsitouras in diffrax, with
        tolerances rtol and atol on x and log_prob. Every event takes steps of its own and so does not depend on its
        batch; one that needs more than 4096 gets NaN. It has no derivatives in forward mode.

    Raises ValueError for unknown options, InputError for the adaptive solver without diffrax.
    """
    _check("method", method, dynamics.METHODS)
    _check("divergence", divergence, ("exact", "hutchinson"))
    _check("solver", solver, ("fixed", "adaptive"))
    base = normal(dim)
    times = np.linspace(0.0, 1.0, steps + 1)
    directions = np.eye(dim)
    if divergence == "hutchinson":
        directions = np.random.default_rng(seed).choice([-1.0, 1.0], (probes, dim)) / probes**0.5
    solve = functools.partial(dynamics.ode, times=times, method=method)
    if solver == "adaptive":
        solve = _adaptive(rtol, atol)

    def loss(key, params, batch):
        key_t, key_z = jax.random.split(key)
        t = jax.random.uniform(key_t, batch.x.shape[:-1], batch.x.dtype)
        z = jax.random.normal(key_z, batch.x.shape, batch.x.dtype)
        start = batch.x + sigma_min * z
        velocity = net.apply(params, dynamics.linear(start, z, t), cond=batch.cond, time=t)
        return weighted_mean(jnp.mean((velocity - (z - start)) ** 2, axis=-1), batch.weight), {}

    @functools.partial(jax.jit, static_argnames="shape")
    def sample(key, params, cond=None, shape=(), rows=None):
        z = base.sample(key, {}, cond, shape, rows)
        cond = _like(z, cond)
        return dynamics.ode(lambda x, t: net.apply(params, x, cond=cond, time=t), z, times[::-1], method)

    @jax.jit
    def log_prob(params, x, cond=None):
        def one(x, cond):
            rate = _with_divergence(lambda x, t: net.apply(params, x, cond=cond, time=t), directions)
            return solve(rate, jnp.append(x, 0.0))

        for _ in x.shape[:-1]:
            one = jax.vmap(one)
        end = one(x, _like(x, cond))
        return base.log_prob({}, end[..., :-1]) + end[..., -1]

    return Flow(net.init, log_prob, sample, loss)


def _check(name: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")


def _like(x: Float[Array, "*batch d"], cond: Array | None) -> Array | None:
    """Conditions for every event of x."""
    return None if cond is None else jnp.broadcast_to(cond, (*x.shape[:-1], cond.shape[-1]))


def _with_divergence(velocity: Rate, directions: np.ndarray) -> Rate:
    """Velocity of (x (d,), log-density ()) in one array: the second one's is the trace of J, sum_e e^T J e."""

    def rate(state, t):
        x = state[:-1]
        moved, tangent = jax.linearize(lambda x: velocity(x, t), x)
        along = jnp.asarray(directions, x.dtype)
        return jnp.append(moved, jnp.sum(jax.vmap(tangent)(along) * along))

    return rate


def _adaptive(rtol: float, atol: float) -> Callable[[Rate, Array], Array]:
    """Solver of one event's ODE from t = 0 to 1; NaN where it gives up."""
    try:
        import diffrax
    except ImportError as error:
        raise InputError("the adaptive solver needs diffrax: pip install 'hepjax[ode]'") from error

    def solve(rate, start):
        term = diffrax.ODETerm(lambda t, state, args: rate(state, t))
        controller = diffrax.PIDController(rtol, atol)
        solution = diffrax.diffeqsolve(
            term, diffrax.Tsit5(), 0, 1, None, start, stepsize_controller=controller, max_steps=MAX_STEPS, throw=False
        )
        return jnp.where(solution.result == diffrax.RESULTS.successful, solution.ys[0], jnp.nan)  # type: ignore[index]

    return solve
