"""Unfolding by any method: what the data would be at particle level.

    state = fit(key, simulation, data, Config(method="sbunfold"))
    unfolded = unfold(key, state, data)

OmniFold gives the simulation's events with weights; all other methods draw a particle-level event, with a weight, for
each event of the data. Profile OmniFold weights the simulation's events too, and fits nuisance parameters of its
response, which it learns from simulations with other values of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from hepjax.pipelines import omnifold, posterior, profile_omnifold, states
from hepjax.pipelines.posterior import acceptance, prior
from hepjax.pipelines.unfolding.config import METHODS, Config
from hepjax.types import AnyArray, Column, InputError, Measured, PRNGKey, State, Unfolded, Unfolding

__all__ = [
    "METHODS",
    "Config",
    "clipped",
    "closure",
    "fit",
    "load",
    "method",
    "nuisances",
    "reco_columns",
    "save",
    "summary",
    "unfold",
    "weights_simulation",
]

WEIGHTING = {omnifold.Spec: "omnifold", profile_omnifold.Spec: "profile"}
"""Methods that weight the simulation's events, by the class of their specification."""


def fit(
    key: PRNGKey,
    simulation: Unfolding,
    data: Measured,
    config: Config = Config(),  # noqa: B008 - frozen
    *,
    background: Measured | None = None,
    variations: Sequence[tuple[Float[AnyArray, " k"], Unfolding]] = (),
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Learn to unfold the data with the simulation, by the method of `config`.

    simulation: negative weights are for omnifold alone. data: columns are matched to the simulation's by name.
    background: to be subtracted from the data, at the yield its weights add up to. variations: for profile, values of
    the nuisance parameters and simulations made with them. folder: where checkpoints and
    `history.csv` go; with resume, a fit that was killed continues there and ends with the same parameters.

    Raises InputError for options out of range, events that cannot be unfolded, missing columns, or an unknown method.
    """
    if config.method not in (*METHODS, "profile"):
        raise InputError(f"config: method is {config.method!r}, expected one of {', '.join(METHODS)} and profile")
    if variations and config.method != "profile":
        raise InputError(f"variations: given for method {config.method}, expected them for profile alone")
    place = {"background": background, "folder": folder, "resume": resume}
    if config.method == "omnifold":
        return omnifold.fit(key, simulation, data, config.omnifold, **place)
    if config.method == "profile":
        key_response, key_fit = jax.random.split(key)
        nominal = np.array([nuisance.nominal for nuisance in config.profile.nuisances], np.float32)
        learned = {"folder": folder, "resume": resume}
        learn = profile_omnifold.response.fit
        response = learn(key_response, simulation, nominal, variations, config.response, **learned)
        return profile_omnifold.fit(key_fit, simulation, data, response, config.profile, **place)
    return posterior.fit(key, simulation, data, config.method, config.generative, **place)


def unfold(key: PRNGKey, state: State, data: Measured, *, rows: Int[AnyArray, " n"] | None = None) -> Unfolded:
    """The data at particle level: weighted events, whose weights add up to the expected number of events there.

    rows: numbers of the events, which decide their noise; 0 to n - 1 by default, others for a part of a table; not for
    omnifold and profile, which have no noise. Raises InputError for events that cannot be unfolded, and for missing
    columns; with those two, whose weights belong to one data set, for other data than those of the fit.
    """
    if weights_simulation(state):
        return (omnifold if method(state) == "omnifold" else profile_omnifold).unfold(key, state, data)
    return posterior.unfold(key, state, data, rows=rows)


def clipped(state: State, data: Measured | None, unfolded: Unfolded) -> dict[str, float]:
    """The fraction of events whose weight was cut, by what was learned of it.

    Of a posterior, the shares of the data's events that are background or signal, and of unfolded events that are
    measured; of OmniFold, the ratios of each step of the last iteration. data: with the columns of `reco_columns`, not
    needed for OmniFold.
    """
    if method(state) == "omnifold":
        return {name: float(step.clipped[-1]) for name, step in omnifold.diagnostics(state).steps.items()}
    if method(state) == "profile":
        return {}
    if data is None:
        raise InputError("data: none, expected those that were unfolded")
    return acceptance.clipped(state.params.shares, state.spec.nets, data.reco, unfolded.gen)


def summary(state: State) -> dict[str, Any]:
    """What tells whether the unfolding can be trusted: the diagnostics of OmniFold, by step and iteration.

    Of posteriors those of the prior's correction, by iteration, and the fraction of events, in the fit, whose share of
    background or signal was cut.
    """
    if method(state) == "profile":
        return {"nuisances": nuisances(state), "missing_information": float(state.params.missing)}
    if method(state) != "omnifold":
        correction = state.params.prior
        of_prior = {} if correction is None else {"prior": prior.summary(correction)}
        return {"clipped": dict(state.spec.clipped), **of_prior}
    found = omnifold.diagnostics(state)
    steps = {name: step._asdict() for name, step in found.steps.items()}
    return {"diagnostics": {"steps": steps, "reco_chi2": found.chi2}, **closure(state)}


def closure(state: State) -> dict[str, Any]:
    """Whether OmniFold's weighted simulation describes the data at detector level, and how well by observable."""
    found = omnifold.diagnostics(state).closure if method(state) == "omnifold" else None
    if found is None:
        return {}
    names = [column.name for column in state.spec.reco_columns]
    numbers = {name: np.asarray(values, float).tolist() for name, values in found._asdict().items()}
    rows = {name: {key: values[j] for key, values in numbers.items()} for j, name in enumerate(names)}
    return {"closed": omnifold.unclosed(found, state.spec.reco_columns) is None, "closure": rows}


def method(state: State) -> str:
    """The name of the method that a state unfolds by."""
    return WEIGHTING[type(state.spec)] if weights_simulation(state) else state.spec.method


def weights_simulation(state: State) -> bool:
    """Whether a method weights the simulation's events, and draws none for those of the data."""
    return type(state.spec) in WEIGHTING


def nuisances(state: State) -> dict[str, dict[str, float]]:
    """The nuisance parameters of a fit with profile, by name: value, error, and the spread of bootstraps if any."""
    found = profile_omnifold.estimate(state)
    rows = {}
    for i, nuisance in enumerate(state.spec.config.nuisances):
        error = float(np.sqrt(np.asarray(found.covariance)[i, i]))
        rows[nuisance.name] = {"value": float(found.theta[i]), "error": error}
        if len(found.replicas) > 1:
            rows[nuisance.name]["bootstraps"] = float(np.std(np.asarray(found.replicas)[:, i], ddof=1))
    return rows


def reco_columns(state: State) -> tuple[Column, ...]:
    """The columns that data to unfold must have."""
    return state.spec.reco_columns


save = states.save
load = states.loader(
    {
        omnifold.Spec: omnifold.untrained,
        posterior.Spec: posterior.untrained,
        profile_omnifold.Spec: profile_omnifold.untrained,
    },
    "one of unfolding",
)
