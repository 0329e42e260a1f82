"""What a posterior does not know: events of the data that have no particle level, and others that are not measured.

A posterior p(gen | reco) is learned on events that pass both levels. The events of the data then count by the share of
them that does, P(signal | reco), and an unfolded event stands for 1 / P(measured | gen) events.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hepjax.pipelines import reweighting
from hepjax.pipelines.generative_config import Config
from hepjax.pipelines.place import Place
from hepjax.pipelines.reweighting import Ratio
from hepjax.types import AnyArray, Events, Measured, PRNGKey, Unfolding

LEAST = 0.01  # smallest share to divide by

BACKGROUND, PURITY, EFFICIENCY = "background", "purity", "efficiency"


class Share(NamedTuple):
    """A learned share of events, `scale` times a ratio that says how it depends on the event."""

    scale: Float[Array, ""]
    ratio: Ratio


Shares = Mapping[str, Share]


def needed(simulation: Unfolding, background: Measured | None) -> tuple[str, ...]:
    """Names of the shares that are not trivially 0 or 1."""
    gen, reco = np.asarray(simulation.pass_gen), np.asarray(simulation.pass_reco)
    found = {BACKGROUND: background is not None, PURITY: (reco & ~gen).any(), EFFICIENCY: (gen & ~reco).any()}
    return tuple(name for name, is_needed in found.items() if is_needed)


def fit(
    key: PRNGKey,
    config: Config,
    names: Sequence[str],
    simulation: Unfolding,
    data: Measured,
    background: Measured | None,
    place: Place,
) -> dict[str, Share]:
    """Learn shares by classifiers.

    background: of the data, with the yields that the weights of both add up to. purity: of the measured simulation, the
    events that pass particle level. efficiency: of the simulation at particle level, the events that are measured.
    """
    gen, reco, weight = (jnp.asarray(a, float) for a in (simulation.gen, simulation.reco, simulation.weight))

    def passing(key, name, x, among, passes):
        rows = np.flatnonzero(among)
        events = Events(x[rows], weight=weight[rows])
        return _passing(key, config, events, np.asarray(passes)[rows], place.at(name))

    def learn(key, name):
        if name == BACKGROUND and background is not None:
            return _of_data(key, config, data, background, place.at(name))
        if name == PURITY:
            return passing(key, name, reco, simulation.pass_reco, simulation.pass_gen)
        return passing(key, name, gen, simulation.pass_gen, simulation.pass_reco)

    return {name: learn(k, name) for name, k in zip(names, jax.random.split(key, max(len(names), 1)), strict=False)}


def signal(shares: Shares, config: Config, data: Measured) -> Float[Array, " n"]:
    """Weights of the data's events, without background and without those that have no particle level."""
    weight, reco = jnp.asarray(data.weight, float), jnp.asarray(data.reco, float)
    if BACKGROUND in shares:
        weight = weight * jnp.maximum(1 - _share(shares[BACKGROUND], config, reco), 0)
    if PURITY in shares:
        weight = weight * jnp.minimum(_share(shares[PURITY], config, reco), 1)
    return weight


def efficiency(shares: Shares, config: Config, gen: Float[Array, "n d"]) -> Float[Array, " n"]:
    """The share of such events that is measured, between 1 percent and 1."""
    if EFFICIENCY not in shares:
        return jnp.ones(len(gen))
    return jnp.clip(_share(shares[EFFICIENCY], config, gen), LEAST, 1)


def untrained(config: Config, names: Sequence[str], dim_gen: int, dim_reco: int) -> dict[str, Share]:
    """Shares of the right shapes."""

    def one(name):
        return Share(jnp.zeros(()), reweighting.untrained(dim_gen if name == EFFICIENCY else dim_reco, config.hidden))

    return {name: one(name) for name in names}


def _passing(key: PRNGKey, config: Config, events: Events, passes: Bool[AnyArray, " n"], where: Mapping) -> Share:
    value = jnp.asarray(passes, float)
    ratio = reweighting.fit_mean(key, config.hidden, events, value, config.prior_training, **where)
    return _normalised(ratio, config, events, (jnp.asarray(events.weight) * value).sum())


def _of_data(key: PRNGKey, config: Config, data: Measured, background: Measured, where: Mapping) -> Share:
    every, some = (Events(jnp.asarray(s.reco, float), weight=jnp.asarray(s.weight, float)) for s in (data, background))
    ratio = reweighting.fit(key, config.hidden, every, some, config.prior_training, **where)
    return _normalised(ratio, config, every, jnp.asarray(background.weight, float).sum())


def _normalised(ratio: Ratio, config: Config, events: Events, yielded: Float[Array, ""]) -> Share:
    """A share of the events that adds up to the yield, which a classifier gets right up to its training."""
    share = Share(jnp.ones(()), ratio)
    return share._replace(scale=yielded / (jnp.asarray(events.weight) * _share(share, config, events.x)).sum())


def _share(share: Share, config: Config, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    learned = reweighting.log_ratio(x.shape[-1], config.hidden)
    return share.scale * jnp.exp(learned(share.ratio.constants, share.ratio.params, x))
