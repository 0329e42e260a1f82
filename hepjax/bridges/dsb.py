"""Diffusion Schrödinger bridge by iterative proportional fitting (arXiv:2106.01357), the method of SQuIRELS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax import dynamics
from hepjax.caching import cached
from hepjax.losses import weighted_mean
from hepjax.types import Loss, Net, Params, PRNGKey


class Ends(NamedTuple):
    """Events of one sample, from which chains start.

    x: (n, d). cond: (n, c), the condition of the net that drives chains from this end. cond_opposite: (n, c'), the
    condition of the net that drives chains back to it (None: the same as `cond`). weight: (n,).
    """

    x: Float[Array, "n d"]
    cond: Float[Array, "n c"] | None = None
    cond_opposite: Float[Array, "n e"] | None = None
    weight: Float[Array, " n"] | None = None


class Transitions(NamedTuple):
    """A table for the regression of a drift; the leading axis runs over events and steps.

    x: (..., d), where the drift is evaluated. drift: (..., d), its goal. time: (...,) in [0, 1]. cond: (..., c).
    weight: (...,).
    """

    x: Float[Array, "*batch d"]
    drift: Float[Array, "*batch d"]
    time: Float[Array, "*batch"]
    cond: Float[Array, "*batch c"] | None = None
    weight: Float[Array, "*batch"] | None = None


class Half(NamedTuple):
    """One direction of the bridge; with its first three fields it is a `Bridge` trained on `Transitions`.

    init: (key, batch of `Transitions` or None) -> params.
    loss: (key, params, batch of `Transitions`) -> (mean squared error, {}).
    transport: (key, params, x (..., d), cond=None, rows=None) -> (..., d), with no noise in the last step.
    rollout: (key, params or None, `Ends`) -> `Transitions` of n * steps rows for the opposite half; params None
        drives the chain by the Ornstein-Uhlenbeck reference process.
    """

    init: Callable[..., Params]
    loss: Callable[[PRNGKey, Params, Any], Loss]
    transport: Callable[..., Array]
    rollout: Callable[..., Transitions]


class DSB(NamedTuple):
    """A bridge as two halves: `forward` runs from the source (t = 1) to the target (t = 0), `backward` returns."""

    forward: Half
    backward: Half


class IPFState(NamedTuple):
    """Where the fitting stands: half-passes done, and both nets' parameters (None before a net's first half-pass)."""

    half_pass: int = 0
    forward: Params = None
    backward: Params = None


Fit = Callable[[PRNGKey, Half, Transitions, Params, int], Params]


@cached
def dsb(
    forward_net: Net,
    backward_net: Net,
    *,
    schedule: dynamics.Constant = dynamics.Constant(),  # noqa: B008 - frozen
    chunk: int = 4096,
) -> DSB:
    """Unpaired Schrödinger bridge of two drifts F(x) = x + net(x, cond, t), trained in turn (arXiv:2106.01357).

        chain:  x_{k+1} = F(x_k) + sqrt(2 gamma) z
        goal of the opposite net at x_{k+1}:   F(x_k) - F(x_{k+1})

    A net's time is the place of its argument between the ends, 1 at the source and 0 at the target, for both nets.
    Chains of `rollout` carry noise in every step; `transport` leaves it out of the last one, as SQuIRELS does
    (arXiv:2308.12339). chunk: events per compiled piece of a rollout, which bounds its memory.
    """
    fractions = np.arange(schedule.steps + 1) / schedule.steps
    return DSB(_half(forward_net, schedule, 1 - fractions, chunk), _half(backward_net, schedule, fractions, chunk))


def _half(net: Net, schedule: dynamics.Constant, times: np.ndarray, chunk: int) -> Half:
    """The direction whose state before transition k lies at times[k]."""

    def drift(params, x, cond, time):
        if params is None:
            return -schedule.gamma * x
        return net.apply(params, x, cond=cond, time=time)

    def loss(key, params, batch):
        del key
        error = jnp.mean((drift(params, batch.x, batch.cond, batch.time) - batch.drift) ** 2, axis=-1)
        return weighted_mean(error, batch.weight), {}

    @jax.jit
    def transport(key, params, x, cond=None, rows=None):
        def mean(x, time):
            return x + drift(params, x, cond, time)

        keys = dynamics.event_keys(key, x.shape[:-1], rows)
        scale = np.append(np.full(schedule.steps - 1, schedule.noise), 0.0)
        return dynamics.sde(keys, mean, x, jnp.asarray(times[:-1], x.dtype), scale)

    def chain(params, key, x, cond):
        """Visited points x_1 .. x_K of one event and the opposite drift's goals there, both (K, d)."""

        def transition(x, step):
            k, time = step
            old = x + drift(params, x, cond, time)
            new = old + schedule.noise * dynamics.event_noise(key, k, x.shape[-1], x.dtype)
            return new, (new, old - new - drift(params, new, cond, time))

        steps = (jnp.arange(schedule.steps), jnp.asarray(times[:-1], x.dtype))
        return jax.lax.scan(transition, x, steps)[1]

    @jax.jit
    def rollout(key, params, ends):
        n, d = ends.x.shape
        keys = dynamics.event_keys(key, (n,))
        events = (keys, ends.x, ends.cond)
        x, goal = jax.lax.map(lambda event: chain(params, *event), events, batch_size=min(chunk, n))
        cond = ends.cond if ends.cond_opposite is None else ends.cond_opposite

        def each_step(a):
            return None if a is None else jnp.repeat(a, schedule.steps, axis=0)

        time = jnp.tile(jnp.asarray(times[1:], ends.x.dtype), n)
        return Transitions(x.reshape(-1, d), goal.reshape(-1, d), time, each_step(cond), each_step(ends.weight))

    return Half(net.init, loss, transport, rollout)


def dsb_half_pass(key: PRNGKey, fit: Fit, bridge: DSB, source: Ends, target: Ends, state: IPFState) -> IPFState:
    """Half-pass number `state.half_pass`: roll one net out from its end, then fit the other one to that table.

    Even passes run from the source and train the backward net, odd ones from the target and train the forward net;
    pass 0 runs the reference process. All randomness comes from `fold_in(key, half_pass)`, so that fitting can stop
    and resume at any half-pass with the same numbers.

    fit: (key, half, transitions, params of that half so far or None, half_pass) -> params; usually `training.fit`
        with 100 epochs in pass 0 and 50 in the others.
    """
    key_rollout, key_fit = jax.random.split(jax.random.fold_in(key, state.half_pass))
    if state.half_pass % 2 == 0:
        table = bridge.forward.rollout(key_rollout, state.forward, source)
        backward = fit(key_fit, bridge.backward, table, state.backward, state.half_pass)
        return IPFState(state.half_pass + 1, state.forward, backward)
    table = bridge.backward.rollout(key_rollout, state.backward, target)
    forward = fit(key_fit, bridge.forward, table, state.forward, state.half_pass)
    return IPFState(state.half_pass + 1, forward, state.backward)


def dsb_ipf(
    key: PRNGKey,
    fit: Fit,
    bridge: DSB,
    source: Ends,
    target: Ends,
    *,
    iterations: int = 20,
    state: IPFState = IPFState(),  # noqa: B008 - immutable
) -> Iterator[IPFState]:
    """Iterative proportional fitting: yields the state after each of the 2 * iterations half-passes.

    Start from a yielded (and saved) `state` to resume. See `dsb_half_pass` for `fit`.
    """
    while state.half_pass < 2 * iterations:
        state = dsb_half_pass(key, fit, bridge, source, target, state)
        yield state
