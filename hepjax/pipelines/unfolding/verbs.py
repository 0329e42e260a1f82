"""Unfolding by any method: what the data would be at particle level.

    state = fit(key, simulation, data, Config(method="sbunfold"))
    unfolded = unfold(key, state, data)

OmniFold gives the simulation's events with weights; all other methods draw a particle-level event, with a weight, for
each event of the data. Profile OmniFold, which fits parameters of the response too, is a pipeline of its own.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from jaxtyping import Int

from hepjax.pipelines import omnifold, posterior, states
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
    "reco_columns",
    "save",
    "summary",
    "unfold",
]


def fit(
    key: PRNGKey,
    simulation: Unfolding,
    data: Measured,
    config: Config = Config(),  # noqa: B008 - frozen
    *,
    background: Measured | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Learn to unfold the data with the simulation, by the method of `config`.

    simulation: negative weights are for omnifold alone. data: columns are matched to the simulation's by name.
    background: to be subtracted from the data, at the yield its weights add up to. folder: where checkpoints and
    `history.csv` go; with resume, a fit that was killed continues there and ends with the same parameters.

    Raises InputError for options out of range, events that cannot be unfolded, missing columns, or an unknown method.
    """
    if config.method not in METHODS:
        raise InputError(f"config: method is {config.method!r}, expected one of {', '.join(METHODS)}")
    place = {"background": background, "folder": folder, "resume": resume}
    if config.method == "omnifold":
        return omnifold.fit(key, simulation, data, config.omnifold, **place)
    return posterior.fit(key, simulation, data, config.method, config.generative, **place)


def unfold(key: PRNGKey, state: State, data: Measured, *, rows: Int[AnyArray, " n"] | None = None) -> Unfolded:
    """The data at particle level: weighted events, whose weights add up to the expected number of events there.

    rows: numbers of the events, which decide their noise; 0 to n - 1 by default, others for a part of a table; not for
    omnifold, which has no noise. Raises InputError for events that cannot be unfolded, and for missing columns; with
    omnifold, whose weights belong to one data set, for other data than those of the fit.
    """
    if method(state) == "omnifold":
        return omnifold.unfold(key, state, data)
    return posterior.unfold(key, state, data, rows=rows)


def clipped(state: State, data: Measured | None, unfolded: Unfolded) -> dict[str, float]:
    """The fraction of events whose weight was cut, by what was learned of it.

    Of a posterior, the shares of the data's events that are background or signal, and of unfolded events that are
    measured; of OmniFold, the ratios of each step of the last iteration. data: with the columns of `reco_columns`, not
    needed for OmniFold.
    """
    if method(state) == "omnifold":
        return {name: float(step.clipped[-1]) for name, step in omnifold.diagnostics(state).steps.items()}
    if data is None:
        raise InputError("data: none, expected those that were unfolded")
    return acceptance.clipped(state.params.shares, state.spec.nets, data.reco, unfolded.gen)


def summary(state: State) -> dict[str, Any]:
    """What tells whether the unfolding can be trusted: the diagnostics of OmniFold, by step and iteration.

    Of posteriors those of the prior's correction, by iteration, and the fraction of events, in the fit, whose share of
    background or signal was cut.
    """
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
    return "omnifold" if isinstance(state.spec, omnifold.Spec) else state.spec.method


def reco_columns(state: State) -> tuple[Column, ...]:
    """The columns that data to unfold must have."""
    return state.spec.reco_columns


save = states.save
load = states.loader({omnifold.Spec: omnifold.untrained, posterior.Spec: posterior.untrained}, "one of unfolding")
