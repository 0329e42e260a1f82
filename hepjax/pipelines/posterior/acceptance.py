"""What a posterior does not know: events of the data that have no particle level, and others that are not measured.

A posterior p(gen | reco) is learned on events that pass both levels. The events of the data then count by the share of
them that does, P(signal | reco), and an unfolded event stands for 1 / P(measured | gen) events.

A classifier may give a share above 1, where background is nearly all there is, or one too small to divide by. Both are
cut, and the scale of a share is such that what is cut adds up to its yield.

Classifiers see normal scores and flags of point masses, so that no fill value or outlier decides the scale of an
observable.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import optimize

from hepjax import transforms
from hepjax.pipelines.events import reweighting
from hepjax.pipelines.events.reweighting import Ratio
from hepjax.pipelines.place import Place
from hepjax.pipelines.posterior.config import Config
from hepjax.tags import tagged
from hepjax.transforms.inputs import Fitted, Inputs, Masses
from hepjax.types import AnyArray, Events, Measured, PRNGKey, Unfolding

LEAST = 0.01  # smallest share to divide by
NOTHING = 1e-12  # a share that adds up to no yield
FEW = 1e-3  # a fraction of cut shares that is nothing to warn of

log = logging.getLogger(__name__)

BACKGROUND, PURITY, EFFICIENCY = "background", "purity", "efficiency"


class Share(NamedTuple):
    """A learned share of events, `scale` times a ratio that says how it depends on the event, cut to at most 1.

    inputs: what makes the inputs of the ratio; None where the ratio is of the observables themselves, as it once was.
    """

    scale: Float[Array, ""]
    ratio: Ratio
    inputs: Inputs | None


Shares = Mapping[str, Share]


@tagged("acceptance/nets", "hepjax.pipelines.acceptance:Nets")
@dataclasses.dataclass(frozen=True)
class Nets:
    """The classifiers of all shares: their hidden layers, and for each share the point masses that have an input."""

    hidden: tuple[int, ...]
    masses: tuple[tuple[str, Masses], ...] = ()

    def apply(self, name: str) -> Callable[[Inputs, Array], Array]:
        """From observables to the inputs of a share's classifier."""
        return transforms.inputs.apply(dict(self.masses)[name])


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
) -> tuple[dict[str, Share], Nets]:
    """Learn shares by classifiers.

    background: of the data, with the yields that the weights of both add up to. purity: of the measured simulation, the
    events that pass particle level. efficiency: of the simulation at particle level, the events that are measured.
    """
    gen, reco, weight = (jnp.asarray(a, float) for a in (simulation.gen, simulation.reco, simulation.weight))

    def passing(key, name, x, among, passes):
        rows = np.flatnonzero(among)
        return _passing(key, name, config, Events(x[rows], weight=weight[rows]), np.asarray(passes)[rows], place)

    def learn(key, name):
        if name == BACKGROUND and background is not None:
            return _of_data(key, config, data, background, place)
        if name == PURITY:
            return passing(key, name, reco, simulation.pass_reco, simulation.pass_gen)
        return passing(key, name, gen, simulation.pass_gen, simulation.pass_reco)

    keys = jax.random.split(key, max(len(names), 1))
    found = {name: learn(k, name) for name, k in zip(names, keys, strict=False)}
    masses = tuple((name, masses) for name, (_, masses) in found.items())
    return {name: share for name, (share, _) in found.items()}, Nets(config.hidden, masses)


def signal(shares: Shares, nets: Nets, data: Measured) -> Float[Array, " n"]:
    """Weights of the data's events, without background and without those that have no particle level."""
    weight, reco = jnp.asarray(data.weight, float), jnp.asarray(data.reco, float)
    if BACKGROUND in shares:
        weight = weight * (1 - _cut(BACKGROUND, shares, nets, reco))
    if PURITY in shares:
        weight = weight * _cut(PURITY, shares, nets, reco)
    return weight


def efficiency(shares: Shares, nets: Nets, gen: Float[Array, "n d"]) -> Float[Array, " n"]:
    """The share of such events that is measured, between 1 percent and 1."""
    if EFFICIENCY not in shares:
        return jnp.ones(len(gen))
    return _cut(EFFICIENCY, shares, nets, gen)


def clipped(shares: Shares, nets: Nets, reco: Float[AnyArray, "n e"], gen: Float[AnyArray, "m d"]) -> dict[str, float]:
    """The fraction of events whose share was cut, by name: of measured ones, for the efficiency of unfolded ones."""

    def fraction(name):
        share = _share(name, shares[name], nets, jnp.asarray(gen if name == EFFICIENCY else reco, float))
        return float(np.mean((share < _least(name)) | (share > 1)))

    return {name: fraction(name) for name in shares}


def untrained(nets: Nets, names: Sequence[str], dim_gen: int, dim_reco: int) -> dict[str, Share]:
    """Shares of the right shapes, of the observables themselves where `nets` knows no point masses of a share."""
    masses = dict(nets.masses)

    def one(name):
        dim = dim_gen if name == EFFICIENCY else dim_reco
        inputs = transforms.inputs.untrained(dim) if name in masses else None
        return Share(jnp.zeros(()), reweighting.untrained(dim + len(masses.get(name, ())), nets.hidden), inputs)

    return {name: one(name) for name in names}


def _passing(
    key: PRNGKey, name: str, config: Config, events: Events, passes: Bool[np.ndarray, " n"], place: Place
) -> tuple[Share, Masses]:
    inputs = transforms.inputs.fit((events.x, np.asarray(events.weight)))
    value, recipe = jnp.asarray(passes, float), config.prior_training
    ratio = reweighting.fit_mean(key, config.hidden, _seen(inputs, events), value, recipe, **place.at(name))
    return _normalised(name, config, ratio, inputs, events, np.asarray(events.weight, np.float64)[passes].sum())


def _of_data(key: PRNGKey, config: Config, data: Measured, background: Measured, place: Place) -> tuple[Share, Masses]:
    every, some = (Events(jnp.asarray(s.reco, float), weight=jnp.asarray(s.weight, float)) for s in (data, background))
    inputs = transforms.inputs.fit((every.x, np.asarray(every.weight)))
    seen = (_seen(inputs, every), _seen(inputs, some))
    ratio = reweighting.fit(key, config.hidden, *seen, config.prior_training, **place.at(BACKGROUND))
    yielded = np.asarray(background.weight, np.float64).sum()
    return _normalised(BACKGROUND, config, ratio, inputs, every, yielded)


def _seen(inputs: Fitted, events: Events) -> Events:
    """Events as a classifier sees them."""
    return events._replace(x=inputs(events.x))


def _normalised(
    name: str, config: Config, ratio: Ratio, inputs: Fitted, events: Events, yielded: float
) -> tuple[Share, Masses]:
    """The share of the events with the scale that adds up to the yield, which a classifier gets right up to its
    training."""
    share, nets = Share(jnp.ones(()), ratio, inputs.constants), Nets(config.hidden, ((name, inputs.masses),))
    values = np.asarray(_share(name, share, nets, events.x), np.float64)
    found = scale(np.asarray(events.weight, np.float64), values, yielded, _least(name))
    share = share._replace(scale=jnp.asarray(found, float))
    cut = clipped({name: share}, nets, events.x, events.x)[name]
    level = logging.WARNING if cut > FEW else logging.INFO
    log.log(level, "%s: the share of %.2f%% of the events is cut, and its yield kept", name, 100 * cut)
    return share, inputs.masses


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


def _cut(name: str, shares: Shares, nets: Nets, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    return jnp.clip(_share(name, shares[name], nets, x), _least(name), 1)


def _share(name: str, share: Share, nets: Nets, x: Float[Array, "n d"]) -> Float[Array, " n"]:
    x = x if share.inputs is None else nets.apply(name)(share.inputs, x)
    learned = reweighting.log_ratio(x.shape[-1], nets.hidden)
    return share.scale * jnp.exp(learned(share.ratio.constants, share.ratio.params, x))
