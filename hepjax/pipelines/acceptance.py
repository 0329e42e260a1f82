"""What a posterior does not know: events of the data that have no particle level, and others that are not measured.

A posterior p(gen | reco) is learned on events that pass both levels. The events of the data then count by the share of
them that does, P(signal | reco), and an unfolded event stands for 1 / P(measured | gen) events.

A classifier may give a share above 1, where background is nearly all there is, or one too small to divide by. Both are
cut, and the scale of a share is such that what is cut adds up to its yield.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import optimize

from hepjax.pipelines import reweighting
from hepjax.pipelines.generative_config import Config
from hepjax.pipelines.place import Place
from hepjax.pipelines.reweighting import Ratio
from hepjax.types import AnyArray, Events, Measured, PRNGKey, Unfolding

LEAST = 0.01  # smallest share to divide by
NOTHING = 1e-12  # a share that adds up to no yield
FEW = 1e-3  # a fraction of cut shares that is nothing to warn of

log = logging.getLogger(__name__)

BACKGROUND, PURITY, EFFICIENCY = "background", "purity", "efficiency"


class Share(NamedTuple):
    """A learned share of events, `scale` times a ratio that says how it depends on the event, cut to at most 1."""

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
        return _passing(key, name, config, events, np.asarray(passes)[rows], place)

    def learn(key, name):
        if name == BACKGROUND and background is not None:
            return _of_data(key, config, data, background, place)
        if name == PURITY:
            return passing(key, name, reco, simulation.pass_reco, simulation.pass_gen)
        return passing(key, name, gen, simulation.pass_gen, simulation.pass_reco)

    return {name: learn(k, name) for name, k in zip(names, jax.random.split(key, max(len(names), 1)), strict=False)}


def signal(shares: Shares, config: Config, data: Measured) -> Float[Array, " n"]:
    """Weights of the data's events, without background and without those that have no particle level."""
    weight, reco = jnp.asarray(data.weight, float), jnp.asarray(data.reco, float)
    if BACKGROUND in shares:
        weight = weight * (1 - _cut(BACKGROUND, shares, config, reco))
    if PURITY in shares:
        weight = weight * _cut(PURITY, shares, config, reco)
    return weight


def efficiency(shares: Shares, config: Config, gen: Float[Array, "n d"]) -> Float[Array, " n"]:
    """The share of such events that is measured, between 1 percent and 1."""
    if EFFICIENCY not in shares:
        return jnp.ones(len(gen))
    return _cut(EFFICIENCY, shares, config, gen)


def clipped(
    shares: Shares, config: Config, reco: Float[AnyArray, "n e"], gen: Float[AnyArray, "m d"]
) -> dict[str, float]:
    """The fraction of events whose share was cut, by name: of measured ones, for the efficiency of unfolded ones."""

    def fraction(name):
        share = _share(shares[name], config, jnp.asarray(gen if name == EFFICIENCY else reco, float))
        return float(np.mean((share < _least(name)) | (share > 1)))

    return {name: fraction(name) for name in shares}


def untrained(config: Config, names: Sequence[str], dim_gen: int, dim_reco: int) -> dict[str, Share]:
    """Shares of the right shapes."""

    def one(name):
        return Share(jnp.zeros(()), reweighting.untrained(dim_gen if name == EFFICIENCY else dim_reco, config.hidden))

    return {name: one(name) for name in names}


def _passing(
    key: PRNGKey, name: str, config: Config, events: Events, passes: Bool[AnyArray, " n"], place: Place
) -> Share:
    value = jnp.asarray(passes, float)
    ratio = reweighting.fit_mean(key, config.hidden, events, value, config.prior_training, **place.at(name))
    return _normalised(name, ratio, config, events, np.asarray(events.weight, np.float64)[np.asarray(passes)].sum())


def _of_data(key: PRNGKey, config: Config, data: Measured, background: Measured, place: Place) -> Share:
    every, some = (Events(jnp.asarray(s.reco, float), weight=jnp.asarray(s.weight, float)) for s in (data, background))
    ratio = reweighting.fit(key, config.hidden, every, some, config.prior_training, **place.at(BACKGROUND))
    return _normalised(BACKGROUND, ratio, config, every, np.asarray(background.weight, np.float64).sum())


def _normalised(name: str, ratio: Ratio, config: Config, events: Events, yielded: float) -> Share:
    """A share of the events that adds up to the yield, which a classifier gets right up to its training."""
    values = np.asarray(_share(Share(jnp.ones(()), ratio), config, events.x), np.float64)
    found = scale(np.asarray(events.weight, np.float64), values, yielded, _least(name))
    share = Share(jnp.asarray(found, float), ratio)
    cut = clipped({name: share}, config, events.x, events.x)[name]
    level = logging.WARNING if cut > FEW else logging.INFO
    log.log(level, "%s: the share of %.2f%% of the events is cut, and its yield kept", name, 100 * cut)
    return share


def scale(weight: Float[np.ndarray, " n"], ratio: Float[np.ndarray, " n"], yielded: float, least: float = 0.0) -> float:
    """The factor s with which the shares, s times the ratio within `least` and 1, add up to the yield.

    sum_i w_i clip(s r_i, least, 1) runs from least to all of sum_i w_i; a yield outside of it takes the nearer end.

    >>> round(scale(np.ones(2), np.array([1.0, 9.0]), 1.25), 9)  # 0.25 + 1
    0.25
    """

    def missing(log_scale: float) -> float:
        return float(weight @ np.clip(np.exp(log_scale) * ratio, least, 1)) - yielded

    ends = np.log(max(least, NOTHING)) - np.log(ratio.max()), -np.log(ratio.min())
    if missing(ends[0]) >= 0 or missing(ends[1]) <= 0:
        return float(np.exp(min(ends, key=lambda end: abs(missing(end)))))
    root: Any = optimize.brentq(missing, *ends, xtol=1e-13)
    return float(np.exp(root))


def _least(name: str) -> float:
    return LEAST if name == EFFICIENCY else 0.0


def _cut(name: str, shares: Shares, config: Config, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jnp.clip(_share(shares[name], config, x), _least(name), 1)


def _share(share: Share, config: Config, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    learned = reweighting.log_ratio(x.shape[-1], config.hidden)
    return share.scale * jnp.exp(learned(share.ratio.constants, share.ratio.params, x))
