"""Fixed-step samplers as `lax.scan`: differential equations, chains of Gaussian transitions, posteriors of I2SB."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from hepjax.dynamics.noise import event_noise

Velocity = Callable[[Array, Array], Array]


def _euler(f, x, t, h):
    return x + h * f(x, t)


def _midpoint(f, x, t, h):
    return x + h * f(x + h / 2 * f(x, t), t + h / 2)


def _heun(f, x, t, h):
    k1 = f(x, t)
    return x + h / 2 * (k1 + f(x + h * k1, t + h))


def _rk4(f, x, t, h):
    k1 = f(x, t)
    k2 = f(x + h / 2 * k1, t + h / 2)
    k3 = f(x + h / 2 * k2, t + h / 2)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + f(x + h * k3, t + h))


METHODS: dict[str, Callable] = {"euler": _euler, "midpoint": _midpoint, "heun": _heun, "rk4": _rk4}


def ode(velocity: Velocity, x: Float[Array, "*batch d"], times: Any, method: str = "heun") -> Float[Array, "*batch d"]:
    """Solve `dx/dt = velocity(x, t)` from times[0] to times[-1] with fixed steps; times may fall.

    velocity: (x (..., d), t ()) -> (..., d), called once (euler), twice (midpoint, heun) or four times (rk4) a step.
    Orders of the global error: 1, 2, 2, 4. Raises ValueError for an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    step = METHODS[method]
    times = jnp.asarray(times, x.dtype)
    x, _ = jax.lax.scan(lambda x, th: (step(velocity, x, *th), None), x, (times[:-1], jnp.diff(times)))
    return x


def sde(
    keys: Key[Array, "*batch"], mean: Callable[[Array, Any], Array], x: Float[Array, "*batch d"], steps: Any, scale: Any
) -> Float[Array, "*batch d"]:
    """Run the chain `x <- mean(x, step) + scale z` of Gaussian transitions.

    keys: one per event, from `event_keys`. mean: (x (..., d), one entry of `steps`) -> (..., d); an Euler-Maruyama
    step is `x + h f(x, t)`. steps: pytree of arrays with leading axis k. scale: (k,) constants; where all are
    zero no noise is drawn at all.
    """
    scale = np.asarray(scale)
    quiet = not scale.any()

    def transition(x, step):
        k, inputs, scale_k = step
        y = mean(x, inputs)
        return (y if quiet else y + scale_k * event_noise(keys, k, x.shape[-1], x.dtype)), None

    x, _ = jax.lax.scan(transition, x, (jnp.arange(len(scale)), steps, jnp.asarray(scale, x.dtype)))
    return x


def posterior(
    keys: Key[Array, "*batch"],
    denoise: Callable[[Array, Any], Array],
    x: Float[Array, "*batch d"],
    steps: Any,
    variance: np.ndarray,
    deterministic: bool = False,
) -> Float[Array, "*batch d"]:
    """Walk a pinned diffusion from its source to its target through the Gaussian posteriors of I2SB.

        x_prev ~ N((s2 x0_hat + v_prev x) / v, v_prev s2 / v),   s2 = v - v_prev        (arXiv:2302.05872)

    exact for a Brownian bridge whatever the step. denoise: (x, one entry of `steps`) -> x0_hat, the mean of x0 given x.
    steps: pytree of arrays with leading axis k, the k points where `denoise` is called. variance: (k + 1,) constants
    gathered since t = 0, falling. The last step adds no noise; `deterministic` (the ODE limit) adds none anywhere.
    """
    v, v_prev = variance[:-1], variance[1:]
    weight = 1 - v_prev / v
    scale = np.sqrt(v_prev * weight)
    scale = np.zeros_like(scale) if deterministic else np.append(scale[:-1], 0.0)

    def mean(x, step):
        inputs, w = step
        return x + w * (denoise(x, inputs) - x)

    return sde(keys, mean, x, (steps, jnp.asarray(weight, x.dtype)), scale)
