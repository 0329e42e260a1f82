"""The prior of a learned posterior, iterated to that of the data (expectation-maximisation; IcINN, arXiv:2212.08674).

A posterior learned on simulation is p(gen | reco) with the simulation's prior, p(gen | reco) ~ p(reco | gen) p(gen).
The posterior of another prior w(gen) p(gen) has the same draws with weights w(gen), so it needs no further training:

    w_0 = 1,   w_i(gen) = sum over the data of p_{i-1}(gen | reco) / sum over the simulation of p(gen | reco)

by a classifier between draws. Its denominator is draws for the simulation's own detector-level events, not its events
at particle level, so that what a posterior does not describe cancels in place of piling up.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hepjax import dynamics
from hepjax.draws import draw_gumbel
from hepjax.pipelines import reweighting
from hepjax.pipelines.generative_config import Config
from hepjax.pipelines.place import Place
from hepjax.pipelines.reweighting import Ratio
from hepjax.training.history import History
from hepjax.types import Events, PRNGKey


def correct(
    key: PRNGKey,
    config: Config,
    simulated: Events,
    draws: Float[Array, "n k d"],
    weight: Float[Array, " n"],
    place: Place,
) -> tuple[Ratio | None, dict[str, History]]:
    """The ratio w after `config.iterations`, None without any, and the classifiers' histories.

    simulated: one draw (m, d) for each event of the simulation, with its weight. draws: of each event of the data,
    weight: theirs. Every iteration trains on one draw an event, so that no event is on both sides of the validation.
    """
    key_fit, key_choose = jax.random.split(key)  # one key for all fits, so that held-out events stay held out
    ratio, histories = None, {}
    for iteration in range(1, config.iterations + 1):
        chosen = choose(jax.random.fold_in(key_choose, iteration), config.hidden, ratio, draws)
        name = f"prior_{iteration}"
        ratio = reweighting.fit(
            key_fit,
            config.hidden,
            simulated,
            Events(chosen, weight=weight),
            config.prior_training,
            start=ratio,
            **place.at(name),
        )
        histories[name] = ratio.history
    return None if ratio is None else ratio._replace(history={}), histories


def choose(
    key: PRNGKey,
    hidden: tuple[int, ...],
    ratio: Ratio | None,
    draws: Float[Array, "n k d"],
    rows: Int[Array, " n"] | None = None,
) -> Float[Array, "n d"]:
    """One draw of each event, at random with the weights w; the first one without a ratio. rows: as in `event_keys`."""
    if ratio is None:
        return draws[:, 0]
    log_weight = reweighting.log_ratio(draws.shape[-1], hidden)(ratio.constants, ratio.params, draws)
    keys = dynamics.event_keys(key, draws.shape[:1], rows)
    gumbel = jax.vmap(lambda key: draw_gumbel(key, log_weight.shape[1:], log_weight.dtype))(keys)
    chosen = jnp.argmax(gumbel + log_weight, axis=-1)  # log_weight plus Gumbel noise is largest with probability weight
    return jnp.take_along_axis(draws, chosen[:, None, None], axis=1)[:, 0]
