"""The prior of a learned posterior, iterated to that of the data (expectation-maximisation; IcINN, arXiv:2212.08674).

A posterior learned on simulation is p(gen | reco) with the simulation's prior, p(gen | reco) ~ p(reco | gen) p(gen).
The posterior of another prior w(gen) p(gen) has the same draws, with the weights

    w(gen) / E[w | reco],   E[w | reco] = the mean of w over the posterior of the event,

whose mean is one for every event. So it needs no further training, and one draw an event:

    w_0 = 1,   w_i(gen) = sum over the data of p(gen | reco) w_{i-1}(gen) / E[w_{i-1} | reco]
                          over sum over the simulation of p(gen | reco)

by a classifier between draws; E[w | reco] is learned from draws as well. The denominator of w is draws for the
simulation's own detector-level events, not its events at particle level, so that what a posterior does not describe
cancels in place of piling up.

Every iteration takes other draws than the one before: fitted to the same again and again, w follows their fluctuations.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax import devices, metrics
from hepjax.pipelines.events import reweighting
from hepjax.pipelines.events.reweighting import MAX_LOG, Ratio
from hepjax.pipelines.place import Place
from hepjax.pipelines.posterior.config import Config
from hepjax.training.history import History
from hepjax.types import AnyArray, Events, PRNGKey

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """One iteration, or several, stacked; NaN of those that were not needed.

    change: largest Kolmogorov distance of a coordinate between the prior after this iteration and when the same draws
    were last taken (the simulation's, in the first turn), in units of what a sample of the data's size shows to its own
    law (0.87 / sqrt(n)): below one, the data cannot see it.
    effective: (sum w)^2 / sum w^2 of the data's weights w(gen) / E[w | reco], over their number. largest: of these
    weights, whose mean is one. clipped: fraction of the draws whose log w or log E[w | reco] was cut at
    +-`reweighting.MAX_LOG`.
    """

    change: Float[AnyArray, "*steps"]
    effective: Float[AnyArray, "*steps"]
    largest: Float[AnyArray, "*steps"]
    clipped: Float[AnyArray, "*steps"]


class Correction(NamedTuple):
    """What turns the prior of the simulation into that of the data.

    ratio: w(gen). mean: E[w | reco] / E[w]. scale: with which the weights of the data add up to what they did. steps:
    of (`config.iterations`,).
    """

    ratio: Ratio
    mean: Ratio
    scale: Float[Array, ""]
    steps: Step


class Drawn(NamedTuple):
    """Events in coordinates: detector level, several draws of the posterior for each, and their weights."""

    reco: Float[Array, "n e"]
    draws: Float[Array, "n k d"]
    weight: Float[Array, " n"]

    def turn(self, number: int) -> Float[Array, "n d"]:
        """One draw an event: that of this turn."""
        return self.draws[:, number % self.draws.shape[1]]


def correct(
    key: PRNGKey, config: Config, simulated: Drawn, data: Drawn, place: Place
) -> tuple[Correction, dict[str, History]]:
    """The correction after as many iterations as change it, at most `config.iterations`, and the networks' histories.

    Every iteration trains on one draw an event, so that no event is on both sides of the validation, and anew: going on
    from the networks before, w would follow fluctuations more and more.
    """
    key_ratio, key_mean = jax.random.split(key)  # one for all fits of a kind, so that held-out events stay held out
    correction, ratios, steps, histories = None, [], [], {}
    for iteration in range(1, config.iterations + 1):
        new = data.turn(iteration - 1)
        weight = data.weight * factor(config, correction, data.reco, new)
        ratio = reweighting.fit(
            key_ratio,
            config.hidden,
            Events(simulated.turn(iteration - 1), weight=simulated.weight),
            Events(new, weight=weight),
            config.prior_training,
            **place.at(f"prior_{iteration}"),
        )
        both = _joined(simulated, data, iteration)
        mean = reweighting.fit_mean(
            key_mean,
            config.hidden,
            Events(both.reco, weight=both.weight),
            jnp.exp(_log(config, ratio, both.turn(0))),
            config.prior_training,
            **place.at(f"prior_mean_{iteration}"),
        )
        named = {f"prior_{iteration}": ratio.history, f"prior_mean_{iteration}": mean.history}
        before = ratios[-config.draws] if len(ratios) >= config.draws else None
        correction, step = _closed(config, ratio, mean, before, simulated, data, iteration)
        ratios.append(correction.ratio)
        histories |= {name: _beside(history, step) for name, history in named.items()}
        steps.append(step)
        _report(iteration, step)
        if devices.of_first(float(step.change)) < config.tolerance:  # all processes stop together
            break
    assert correction is not None
    return correction._replace(steps=_stacked(steps, config.iterations)), histories


def _joined(simulated: Drawn, data: Drawn, turn: int) -> Drawn:
    """Both samples with their draws of one turn, to learn E[w | reco] from: it is the same function in both.

    A mean weight of one each. The draws of the data are those that are weighted next, whose yield it keeps everywhere.
    """
    weights = (sample.weight / sample.weight.mean() for sample in (simulated, data))
    reco = jnp.concatenate([simulated.reco, data.reco])
    draws = jnp.concatenate([simulated.turn(turn), data.turn(turn)])
    return Drawn(reco, draws[:, None], jnp.concatenate([*weights]))


def factor(
    config: Config, correction: Correction | None, reco: Float[Array, "n e"], gen: Float[Array, "n ... d"]
) -> Float[Array, "n ..."]:
    """The weight w(gen) / E[w | reco] of draws for detector-level events, both in coordinates; 1 without correction."""
    if correction is None:
        return jnp.ones(gen.shape[:-1])
    log_mean = _log(config, correction.mean, reco).reshape(-1, *[1] * (gen.ndim - 2))
    return correction.scale * jnp.exp(_log(config, correction.ratio, gen) - log_mean)


def untrained(config: Config, dim_gen: int, dim_reco: int) -> Correction:
    """A correction of the right shapes."""
    ratio, mean = (reweighting.untrained(dim, config.hidden) for dim in (dim_gen, dim_reco))
    return Correction(ratio, mean, jnp.zeros(()), _stacked([], config.iterations))


def summary(correction: Correction) -> dict[str, list[float]]:
    """The record of the iterations made, by name."""
    made = ~np.isnan(np.asarray(correction.steps.change))
    return {name: np.asarray(values)[made].tolist() for name, values in correction.steps._asdict().items()}


def _log(config: Config, ratio: Ratio, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
    return reweighting.log_ratio(x.shape[-1], config.hidden)(ratio.constants, ratio.params, x)


def _closed(
    config: Config,
    ratio: Ratio,
    mean: Ratio,
    before: Ratio | None,
    simulated: Drawn,
    data: Drawn,
    iteration: int,
) -> tuple[Correction, Step]:
    """The correction with the scale that keeps the data's yield in draws it has not seen, and the record of it."""
    ratio, mean = ratio._replace(history={}), mean._replace(history={})
    gen = data.turn(iteration)
    correction = Correction(ratio, mean, jnp.ones(()), _stacked([], config.iterations))
    weight = factor(config, correction, data.reco, gen)
    scale = data.weight.sum() / (data.weight * weight).sum()
    logs = _log(config, ratio, gen), _log(config, mean, data.reco)
    values = (
        _change(config, before, ratio, simulated, iteration) / _visible(data.weight),
        metrics.effective_size(data.weight * weight) / metrics.effective_size(data.weight),
        scale * weight.max(),
        np.mean(np.max(np.abs(np.asarray(logs)), axis=0) >= MAX_LOG),
    )
    return correction._replace(scale=scale), Step(*(np.asarray(value, np.float32) for value in values))


def _change(config: Config, before: Ratio | None, ratio: Ratio, simulated: Drawn, iteration: int) -> float:
    """Largest Kolmogorov distance of a coordinate between the simulation with the weights before and after."""
    gen = simulated.turn(iteration)
    logs = [_log(config, ratio, gen), jnp.zeros(len(gen)) if before is None else _log(config, before, gen)]
    weights = [np.asarray(simulated.weight * jnp.exp(values), np.float64) for values in logs]
    difference = weights[0] / weights[0].sum() - weights[1] / weights[1].sum()
    order = np.argsort(np.asarray(gen), axis=0)
    return float(np.abs(np.cumsum(difference[order], axis=0)).max())


def _visible(weight: Float[Array, " n"]) -> float:
    """Mean Kolmogorov distance of a sample to its own law."""
    return float(metrics.KOLMOGOROV_MEAN / np.sqrt(metrics.effective_size(weight)))


def _stacked(steps: list[Step], length: int) -> Step:
    """The records of all iterations, with NaN for those that were not made."""
    nothing = Step(*[np.full((), np.nan)] * len(Step._fields))
    padded = [*steps, *[nothing] * (length - len(steps))]
    return Step(*(jnp.asarray(np.stack(values), jnp.float32) for values in zip(*padded, strict=True)))


def _beside(history: History, step: Step) -> History:
    """A history with the record of its iteration in every row."""
    return history | {name: np.full(len(history["epoch"]), float(value)) for name, value in step._asdict().items()}


def _report(iteration: int, step: Step) -> None:
    log.info(
        "prior, iteration %d: change %.2f, %.1f%% effective events, %.2f%% clipped",
        iteration,
        step.change,
        100 * step.effective,
        100 * step.clipped,
    )
