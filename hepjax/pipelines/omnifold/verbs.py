"""OmniFold: unbinned unfolding of all observables at once by iterated reweighting (arXiv:1911.09107, 2105.09923).

The simulation's events at particle level get weights with which, measured, they look like the data; see
`omnifold_steps` for the iterations. `fit`, then `unfold`.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float, UInt8

from hepjax import data as readers
from hepjax import transforms
from hepjax.pipelines import checks, states
from hepjax.pipelines.events import preparation as events
from hepjax.pipelines.events import reweighting
from hepjax.pipelines.omnifold import steps
from hepjax.pipelines.omnifold.config import Config
from hepjax.pipelines.omnifold.convergence import QUANTILES, Closure, Diagnostics, Step, table, unclosed, warn
from hepjax.pipelines.place import Place
from hepjax.tags import tagged
from hepjax.training import plan, write_histories
from hepjax.transforms.inputs import Inputs, Masses
from hepjax.types import AnyArray, Column, InputError, Measured, PRNGKey, State, Unfolded, Unfolding

__all__ = ["Config", "Diagnostics", "Step", "diagnostics", "fit", "load", "push", "save", "table", "unclosed", "unfold"]

log = logging.getLogger(__name__)


@tagged("omnifold/spec", "hepjax.pipelines.omnifold:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """What makes an unfolding: its options, the observables, and the shapes of what it keeps.

    events: of the simulation inside the particle-level phase space. steps: names of those of an iteration. unit: of the
    weights that the constants hold, in those of the data. gen_masses: point masses of `gen`; None for fits of before
    they were looked for.
    """

    config: Config
    gen_columns: tuple[Column, ...]
    reco_columns: tuple[Column, ...]
    events: int
    steps: tuple[str, ...]
    unit: float = 1.0
    gen_masses: Masses | None = None


class Constants(NamedTuple):
    """What an unfolding is, once fitted.

    gen: (n, d) of the simulation's events inside the phase space. weight: (iterations, n) after each iteration.
    replicas: (bootstraps, n) after the last, or None. moments: the standardisation of the inputs to the classifier of
    the last step 2. scale: the weight where its logit is 0, of the data's weights in units of the generator's. digest:
    SHA-256 of the data. inputs: what makes the inputs of `gen`; None for fits that had `gen` itself.
    """

    gen: Float[AnyArray, "n d"]
    weight: Float[AnyArray, "iterations n"]
    replicas: Float[AnyArray, "r n"] | None
    moments: transforms.Moments
    scale: Float[AnyArray, ""]
    digest: UInt8[AnyArray, 32]
    diagnostics: Diagnostics
    inputs: Inputs | None = None


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
    """Unfold the data with the simulation.

    simulation: its weights may be negative in part, and only their ratios count. data: columns are matched to the
    simulation's by name. background: subtracted from the data, at the yield its weights add up to. folder: where
    checkpoints and `history.csv` go; with resume, a fit that was killed continues there and ends with the same
    weights. Returns a `State` for `unfold`, `diagnostics` and `save`.

    Raises InputError for options out of range, events that cannot be unfolded, missing columns, or a background as
    large as the data.
    """
    _check_options(config)
    readers.unfolding.check(simulation)
    columns = simulation.reco_columns
    measured = events.measured(data, columns, "data")
    subtracted = None if background is None else events.measured(background, columns, "background")
    problem = events.problem(simulation, measured, subtracted)
    place = Place.of(folder, resume)
    nominal, weight = _run(key, problem, config, place)
    replicas = [_run(key, problem, config, place, n)[1][-1] for n in range(1, 1 + config.bootstraps)]
    if place.folder is not None:
        write_histories(place.folder / "history.csv", nominal.histories)
    gen = problem.gen[np.flatnonzero(problem.pass_gen)]
    x = nominal.inputs(gen)
    generated = np.asarray(simulation.weight, np.float64)[np.flatnonzero(problem.pass_gen)]
    total = problem.unit * np.asarray(weight[-1], np.float64).sum()
    constants = Constants(
        gen=gen,
        weight=weight,
        replicas=jnp.stack(replicas) if replicas else None,  # no checkpoint holds an empty array
        moments=nominal.gen.constants,
        scale=jnp.asarray(total / (generated @ np.exp(steps.log_ratio(config, nominal.gen, x))), float),
        digest=events.digest(measured),
        diagnostics=nominal.diagnostics,
        inputs=nominal.inputs.constants,
    )
    warn(log, "OmniFold", nominal.diagnostics.closure, columns)
    names = tuple(nominal.diagnostics.steps)
    spec = Spec(config, simulation.gen_columns, columns, len(gen), names, problem.unit, nominal.inputs.masses)
    return State(spec, constants, nominal.gen.params)


def unfold(key: PRNGKey, state: State, data: Measured) -> Unfolded:
    """The simulation's events inside the particle-level phase space, weighted to stand for the data of the fit.

    The weights add up to the data's yield without background, corrected for efficiency and acceptance; each replica's
    to that of its own draw. Nothing is random; the key is there as other methods need one.

    Raises InputError for other data than those of the fit: weights of OmniFold belong to the data they were learned on.
    """
    del key
    constants = state.constants
    events.require_same(data, state.spec.reco_columns, constants.digest, "OmniFold")
    weight = state.spec.unit * np.asarray(constants.weight[-1], np.float64)
    replicas = None if constants.replicas is None else state.spec.unit * np.asarray(constants.replicas, np.float64)
    return Unfolded(constants.gen, weight, state.spec.gen_columns, replicas)


def push(state: State, gen: Float[AnyArray, "*batch d"]) -> Float[Array, "*batch"]:
    """The factor from the generator's weight to the unfolded one, of any particle-level events; compiled.

    At the simulation's events it gives the weights of `unfold`; at those of another sample of the same generator it
    unfolds with that sample, up to the ratio of the sums of both samples' weights. Raises InputError for events of
    another number of observables, and for values that are not finite, named by row.
    """
    shape, dim = jnp.shape(gen), len(state.spec.gen_columns)
    if shape[-1:] != (dim,):
        raise InputError(f"events of shape {shape}, the unfolding expects (..., {dim})")
    if not isinstance(gen, Tracer):
        readers.unfolding.check_gen(np.asarray(gen).reshape(-1, dim), state.spec.gen_columns)
    ratio, x = reweighting.Ratio(state.constants.moments, state.params, {}), jnp.asarray(gen, float)
    if state.constants.inputs is not None:
        x = transforms.inputs.apply(state.spec.gen_masses)(state.constants.inputs, x)
    return state.constants.scale * jnp.exp(steps.log_ratio(state.spec.config, ratio, x))


def diagnostics(state: State) -> Diagnostics:
    """Weights, classifiers and closure of every iteration; `table` writes them as text."""
    return state.constants.diagnostics


def _run(
    key: PRNGKey, problem: events.Problem, config: Config, place: Place, replica: int = 0
) -> tuple[steps.Result, Float[Array, "iterations n"]]:
    """All iterations of the unfolding, or of a replica, and the weights of the events inside the phase space."""
    key, problem, name = events.replica(key, problem, replica, config.bootstrap_simulation)
    result = steps.iterate(key, problem, config, place, name)
    return result, (problem.weight * result.push)[:, np.flatnonzero(problem.pass_gen)]


def _check_options(config: Config) -> None:
    checks.at_least(config, iterations=1, members=1, bootstraps=0)
    checks.layers(config, "hidden")
    plan.check(config.training)


def untrained(spec: Spec) -> State:
    """A state of the right shapes."""
    config, n, dim, masses = spec.config, spec.events, len(spec.gen_columns), spec.gen_masses

    def floats(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.result_type(float))

    ratio = reweighting.untrained(dim + len(masses or ()), config.hidden, config.members)
    per_step = [floats(config.iterations)] * len(Step._fields)
    summary = Step(*per_step)._replace(quantiles=floats(config.iterations, len(QUANTILES)))
    constants = Constants(
        gen=floats(n, dim),
        weight=floats(config.iterations, n),
        replicas=floats(config.bootstraps, n) if config.bootstraps else None,
        moments=ratio.constants,
        scale=floats(),
        digest=np.empty(32, np.uint8),
        diagnostics=Diagnostics(
            dict.fromkeys(spec.steps, summary),
            floats(config.iterations + 1, len(spec.reco_columns)),
            None if masses is None else Closure(*[floats(len(spec.reco_columns))] * len(Closure._fields)),
        ),
        inputs=None if masses is None else transforms.inputs.untrained(dim),
    )
    return State(spec, constants, ratio.params)


save = states.save
load = states.loader({Spec: untrained}, "an unfolding by OmniFold")
