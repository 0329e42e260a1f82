"""Flow and bridge matching between unpaired samples (arXiv:2302.00482, arXiv:2303.16852)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import dynamics
from hepjax.bridges.coupling import repair
from hepjax.caching import cached
from hepjax.losses import weighted_mean
from hepjax.types import Bridge, Net


@cached
def matching(
    net: Net,
    *,
    coupling: str = "independent",
    sigma: float = 0.0,
    steps: int = 20,
    method: str = "heun",
    epsilon: float = 0.05,
    iterations: int = 50,
) -> Bridge:
    """Unpaired bridge that regresses the velocity `(x_t - x0) / t` from target x0 (t = 0) to source x1 (t = 1).

        x_t = (1 - t) x0 + t x1 + sigma sqrt(t (1 - t)) eps,   t uniform in (0, 1]
        loss = |net(x_t, cond, t) - (x1 - x0)|^2                                            sigma = 0
        loss = t |net(x_t, cond, t) - (x1 - x0) - sigma sqrt((1 - t) / t) eps|^2           sigma > 0

    sigma = 0 is flow matching: `transport` solves the ODE from 1 to 0 in `steps` steps of `method`, ignoring its key.
    sigma > 0 is bridge matching: `transport` walks the Brownian bridge's posteriors, which needs no method. The factor
    t keeps that loss finite at the target's end and does not move its optimum.

    coupling: "independent" takes the rows of `source` and `target` as they come; "ot" re-pairs them within the
    groups along axis -2, whose events should have nearly the same condition (`repair`, with epsilon and iterations).

    net: (x (..., d), cond, time in [0, 1]) -> (..., d). Raises ValueError for an unknown coupling or method.
    """
    if coupling not in ("independent", "ot"):
        raise ValueError(f"coupling must be 'independent' or 'ot', got {coupling!r}")
    if method not in dynamics.METHODS:
        raise ValueError(f"method must be one of {', '.join(dynamics.METHODS)}, got {method!r}")

    def loss(key, params, batch):
        key_pair, key_t, key_eps = jax.random.split(key, 3)
        if coupling == "ot":
            batch = repair(key_pair, batch, epsilon=epsilon, iterations=iterations)
        x0, x1 = batch.target, batch.source
        t = 1 - jax.random.uniform(key_t, x0.shape[:-1], x0.dtype)
        if sigma == 0:
            x_t, root, goal = dynamics.linear(x0, x1, t), 1.0, x1 - x0
        else:
            eps = jax.random.normal(key_eps, x0.shape, x0.dtype)
            x_t, root = dynamics.brownian(x0, x1, t, sigma, eps), jnp.sqrt(t)[..., None]
            goal = root * (x1 - x0) + sigma * jnp.sqrt(1 - t)[..., None] * eps
        velocity = net.apply(params, x_t, cond=batch.cond, time=t)
        error = jnp.mean((root * velocity - goal) ** 2, axis=-1)
        return weighted_mean(error, batch.weight), {}

    times = np.linspace(1.0, 0.0, steps + 1)

    @jax.jit
    def transport(key, params, x, cond=None, rows=None):
        def velocity(x, t):
            return net.apply(params, x, cond=cond, time=t)

        if sigma == 0:
            return dynamics.ode(velocity, x, times, method)
        keys = dynamics.event_keys(key, x.shape[:-1], rows)
        inputs = jnp.asarray(times[:-1], x.dtype)
        return dynamics.posterior(keys, lambda x, t: x - t * velocity(x, t), x, inputs, sigma**2 * times)

    return Bridge(net.init, loss, transport)
