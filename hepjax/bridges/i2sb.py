"""I2SB: the paired Schrödinger bridge (arXiv:2302.05872), the method of SBUnfold (arXiv:2308.12351)."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from hepjax import dynamics
from hepjax.caching import cached
from hepjax.losses import weighted_mean
from hepjax.types import Bridge, Net


@cached
def i2sb(
    net: Net,
    *,
    schedule: dynamics.Symmetric = dynamics.Symmetric(),  # noqa: B008 - frozen
    steps: int | None = None,
    ode: bool = False,
    condition_on_source: bool = False,
) -> Bridge:
    """Paired bridge: learns the target event that belongs to a source event.

    The net sees x_t between target x0 and source x1 and predicts the scaled way back to x0:

        x_t = mu0 x0 + mu1 x1 + sigma eps,   t uniform on the schedule's grid
        loss = |net(x_t, cond, t) - (x_t - x0) / sigma_fwd(t)|^2
        x0_hat = x_t - sigma_fwd(t) net(x_t, cond, t)

    and `transport` walks the Gaussian posteriors on `steps` of the schedule's points (default: all).

    ode: the deterministic limit, without eps in training and sampling. condition_on_source: the net's condition is
    (cond, x1), its dim_cond = c + d; only then is the law of the target *given* the source event reproduced, and
    not just the target's law over the sample (arXiv:2311.06978).

    net: (x (..., d), cond, time in [0, 1]) -> (..., d). Units: those of the (standardised) data.
    """
    table = schedule.table()
    path = schedule.subset(schedule.steps - 1 if steps is None else steps)

    def condition(cond, x1):
        if not condition_on_source:
            return cond
        return x1 if cond is None else jnp.concatenate([cond, x1], axis=-1)

    def loss(key, params, batch):
        x0, x1 = batch.target, batch.source
        key_n, key_eps = jax.random.split(key)
        n = jax.random.randint(key_n, x0.shape[:-1], 0, schedule.steps)
        time, sigma_fwd, mu1, sigma = (
            jnp.asarray(a, x0.dtype)[n] for a in (table.time, table.sigma_fwd, table.mu1, table.sigma)
        )
        moved = mu1[..., None] * (x1 - x0)
        if not ode:
            moved += sigma[..., None] * jax.random.normal(key_eps, x0.shape, x0.dtype)
        prediction = net.apply(params, x0 + moved, cond=condition(batch.cond, x1), time=time)
        error = jnp.mean((prediction - moved / sigma_fwd[..., None]) ** 2, axis=-1)
        return weighted_mean(error, batch.weight), {}

    @jax.jit
    def transport(key, params, x, cond=None, rows=None):
        keys = dynamics.event_keys(key, x.shape[:-1], rows)
        cond = condition(cond, x)

        def denoise(x, step):
            time, sigma_fwd = step
            return x - sigma_fwd * net.apply(params, x, cond=cond, time=time)

        inputs = tuple(jnp.asarray(a[path[:-1]], x.dtype) for a in (table.time, table.sigma_fwd))
        return dynamics.posterior(keys, denoise, x, inputs, table.sigma_fwd[path] ** 2, deterministic=ode)

    return Bridge(net.init, loss, transport)
