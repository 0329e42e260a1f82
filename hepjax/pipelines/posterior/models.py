"""Posteriors p(gen | reco) beside SBUnfold's: a conditional flow, flow matching, and direct diffusion.

All are a `Bridge` from the detector level (its coordinates, and further conditions) to the particle level, those that
start from noise too, so that one pipeline trains and samples them. Settings follow the comparison of arXiv:2404.18807.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array

from hepjax import bridges, flows, nets
from hepjax.caching import cached
from hepjax.pipelines.posterior.config import Config
from hepjax.types import Bridge, Coupled, Events, Flow, Net

BRIDGE_STEPS, FLOW_STEPS = 100, 20


@cached
def cinn(config: Config, dim: int, dim_cond: int) -> Bridge:
    """Conditional coupling flow of rational-quadratic splines (cINN, arXiv:2006.06685), trained by its likelihood."""
    bijection = flows.coupling(
        dim,
        flows.spline(config.bins),
        depth=config.depth,
        hidden=(config.width, config.width),
        dim_cond=dim + dim_cond,
        precision=config.precision,
    )
    return _from_noise(flows.transformed(bijection, flows.normal(dim)))


@cached
def cfm(config: Config, dim: int, dim_cond: int) -> Bridge:
    """Conditional flow matching from noise (arXiv:2210.02747)."""
    return _from_noise(flows.matching(net(config, dim, dim + dim_cond), dim, steps=config.steps or FLOW_STEPS))


@cached
def didi(config: Config, dim: int, dim_cond: int) -> Bridge:
    """Direct diffusion (DiDi, arXiv:2311.17175) between the two levels of an event, with a Brownian bridge's noise.

    In the limit of an ODE an event has one unfolded event, not a posterior.
    """
    sigma, steps = 0.0 if config.ode else config.sigma, config.steps or BRIDGE_STEPS
    if not config.conditional:
        return bridges.matching(net(config, dim, dim_cond), sigma=sigma, steps=steps)
    bridge = bridges.matching(net(config, dim, dim_cond + dim), sigma=sigma, steps=steps)

    def loss(key, params, batch):
        return bridge.loss(key, params, batch._replace(cond=_joined(batch.cond, batch.source)))

    def transport(key, params, x, cond=None, rows=None):
        return bridge.transport(key, params, x, _joined(cond, x), rows)

    return Bridge(bridge.init, loss, transport)


def net(config: Config, dim: int, dim_cond: int) -> Net:
    """The net of bridges and flow matching: (x (..., dim), cond, time) -> (..., dim)."""
    if config.net == "sbunfold":
        return nets.sbunfold(dim, config.width, config.blocks, dim_cond=dim_cond, precision=config.precision)
    return nets.resnet(dim, dim, config.width, config.blocks, dim_cond=dim_cond, time=True, precision=config.precision)


def _from_noise(flow: Flow) -> Bridge:
    """A flow whose condition is the detector-level event."""

    def events(batch: Coupled) -> Events:
        return Events(batch.target, _joined(batch.cond, batch.source), batch.weight)

    def init(key, batch=None):
        return flow.init(key, None if batch is None else events(batch))

    def loss(key, params, batch: Coupled):
        return flow.loss(key, params, events(batch))

    def transport(key, params, x, cond=None, rows=None):
        return flow.sample(key, params, _joined(cond, x), rows=rows)

    return Bridge(init, loss, transport)


def _joined(cond: Array | None, source: Array) -> Array:
    return source if cond is None else jnp.concatenate([cond, source], axis=-1)
