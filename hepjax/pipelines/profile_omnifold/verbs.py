"""Profile OmniFold: unbinned unfolding with nuisance parameters of the response that the data determine as well
(arXiv:2409.10421).

As OmniFold, with weights w(y, x, theta) = p(y | x, theta) / q(y | x) on the simulation, and theta found from the data
in every iteration; see `profile_steps`. `fit`, then `estimate` for theta and `unfold` for the spectrum.
"""

from __future__ import annotations

import dataclasses
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from hepjax import data as readers
from hepjax import inference
from hepjax.pipelines import checks, states
from hepjax.pipelines.events import preparation as events
from hepjax.pipelines.omnifold import convergence as diagnostics
from hepjax.pipelines.place import Place
from hepjax.pipelines.profile_omnifold import steps
from hepjax.pipelines.profile_omnifold.config import Config, Nuisance
from hepjax.pipelines.profile_omnifold.information import Information
from hepjax.pipelines.profile_omnifold.steps import Penalty, Response, Step
from hepjax.tags import tagged
from hepjax.training import plan, write_histories
from hepjax.types import AnyArray, Column, InputError, Measured, PRNGKey, State, Unfolded, Unfolding

__all__ = ["Config", "Estimate", "Nuisance", "Step", "estimate", "fit", "iterations", "load", "save", "unfold"]


@tagged("profile_omnifold/spec", "hepjax.pipelines.profile_omnifold:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """What makes an unfolding: its options, the observables, the events within the particle-level phase space, and the
    unit of their weights."""

    config: Config
    gen_columns: tuple[Column, ...]
    reco_columns: tuple[Column, ...]
    events: int
    unit: float = 1.0


class Constants(NamedTuple):
    """What an unfolding is of. gen: (n, d) within the particle-level phase space. digest: SHA-256 of the data."""

    gen: Float[AnyArray, "n d"]
    digest: UInt8[AnyArray, 32]


class Estimate(NamedTuple):
    """Nuisance parameters as the data, and what was known beforehand, determine them.

    theta: (k,). covariance: (k, k), from the observed information, with the fluctuations of data and simulation; NaN
    for parameters at a bound. It is too small where weights of the response have no finite variance, and a few
    simulated events dominate. replicas: (r, k), of the bootstraps. missing: fraction of the information on theta that
    the data lack as gen is not measured.
    """

    theta: Float[AnyArray, " k"]
    covariance: Float[AnyArray, "k k"]
    replicas: Float[AnyArray, "r k"]
    missing: Float[AnyArray, ""]


class Params(NamedTuple):
    """What a fit has found, and its bootstraps below it.

    weight: (1 + r, n) of the events, in the unit of the specification. theta: (1 + r, k). covariance, missing: as in
    `Estimate`. iterations: stacked.
    """

    weight: Float[AnyArray, "fits n"]
    theta: Float[AnyArray, "fits k"]
    covariance: Float[AnyArray, "k k"]
    missing: Float[AnyArray, ""]
    iterations: Step


def fit(
    key: PRNGKey,
    simulation: Unfolding,
    data: Measured,
    response: Response,
    config: Config,
    *,
    penalty: Penalty | None = None,
    background: Measured | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Unfold the data with the simulation, and find the nuisance parameters of its response.

    response: (gen (d,), reco (e,) of one event, theta (k,)) -> (), log p(reco | gen, theta) / q(reco | gen) in JAX,
    twice differentiable in theta; a formula, or `profile_response.fit` learns it. What it compiles is kept for as long
    as the same function is given. Efficiencies do not depend on theta. penalty: theta (k,) -> () in nats, in place of
    the Gaussian ones of `config.nuisances`. simulation, data, background, folder and resume as in `omnifold.fit`.

    Returns a `State` for `estimate`, `iterations`, `unfold` and `save`. Raises InputError for options out of range,
    events that cannot be unfolded, missing columns, a background as large as the data, simulated events measured
    outside of the phase space (to be subtracted as background), and a response or penalty that is not finite, or
    does not depend on a parameter.
    """
    _check_options(config)
    readers.unfolding.check(simulation, negative_weights=False)
    columns = simulation.reco_columns
    measured = events.measured(data, columns, "data")
    subtracted = None if background is None else events.measured(background, columns, "background")
    problem = events.problem(simulation, measured, subtracted)
    if problem.has_fakes:
        raise InputError("simulation: events measured outside of the phase space, expected them as background")
    penalty = steps.gaussian(config.nuisances) if penalty is None else penalty
    _check_response(response, penalty, problem, config)
    place = Place.of(folder, resume)
    results = []
    for number in range(1 + config.bootstraps):
        key_fit, drawn, name = events.replica(key, problem, number, simulation=True)
        results.append((drawn, steps.iterate(key_fit, drawn, response, penalty, config, place, name)))
    if place.folder is not None:
        write_histories(
            place.folder / "history.csv", {k: v for _, result in results for k, v in result.histories.items()}
        )
    inside = np.flatnonzero(problem.pass_gen)
    nominal = results[0][1]
    theta = jnp.stack([result.steps.theta[-1] for _, result in results])
    known = np.asarray(jax.hessian(penalty)(theta[0]))
    params = Params(
        weight=jnp.stack([(drawn.weight * result.push)[inside] for drawn, result in results]),
        theta=theta,
        covariance=_covariance(nominal.information, known, nominal.steps.at_bound[-1]),
        missing=np.asarray(nominal.information.missing),
        iterations=nominal.steps,
    )
    return State(
        Spec(config, simulation.gen_columns, columns, len(inside), problem.unit),
        Constants(problem.gen[inside], events.digest(measured)),
        jax.tree.map(jnp.asarray, params),
    )


def estimate(state: State) -> Estimate:
    """The nuisance parameters, their covariance and their bootstraps."""
    theta, *replicas = state.params.theta
    replicas = jnp.array(replicas).reshape(-1, len(theta))
    return Estimate(theta, state.params.covariance, replicas, state.params.missing)


def iterations(state: State) -> Step:
    """Nuisance parameters, searches, weights and classifiers of every iteration."""
    return state.params.iterations


def unfold(key: PRNGKey, state: State, data: Measured) -> Unfolded:
    """The simulation's events inside the particle-level phase space, weighted to stand for the data of the fit.

    As `omnifold.unfold`, which raises the same errors: weights belong to the data that they were learned on.
    """
    del key
    events.require_same(data, state.spec.reco_columns, state.constants.digest, "Profile OmniFold")
    weight = state.spec.unit * np.asarray(state.params.weight, np.float64)
    replicas = weight[1:] if state.spec.config.bootstraps else None
    return Unfolded(state.constants.gen, weight[0], state.spec.gen_columns, replicas)


def _covariance(told: Information, penalty: np.ndarray, at_bound: np.ndarray) -> Float[np.ndarray, "k k"]:
    """H^-1 V H^-1 of the parameters that are free, with the curvature H of the likelihood and the variance V of its
    gradient; the auxiliary measurements fluctuate as their penalty says."""
    free = np.flatnonzero(~np.asarray(at_bound))
    block = np.ix_(free, free)
    inverse = np.asarray(inference.covariance(jnp.asarray((told.observed + penalty)[block])))
    covariance = np.full(penalty.shape, np.nan)
    covariance[block] = inverse @ (told.variance + penalty)[block] @ inverse
    return covariance


def _check_options(config: Config) -> None:
    checks.at_least(config, iterations=1, starts=1, members=1, bootstraps=0)
    checks.layers(config, "hidden")
    names = [nuisance.name for nuisance in config.nuisances]
    if not names or len(set(names)) < len(names):
        raise InputError(f"config: nuisances are {', '.join(names) or 'none'}, expected one or several, each once")
    for n in config.nuisances:
        if not -np.inf < n.low <= n.nominal <= n.high < np.inf or n.low == n.high:
            found = f"low {n.low}, nominal {n.nominal}, high {n.high}"
            raise InputError(f"config: nuisance {n.name} has {found}, expected finite ones in this order")
        if not (n.sigma > 0 and np.isfinite(n.centre)):
            found = f"centre {n.centre} and sigma {n.sigma}"
            raise InputError(f"config: nuisance {n.name} has {found}, expected a finite centre and sigma above zero")
    plan.check(config.training)


def _check_response(response: Response, penalty: Penalty, problem: events.Problem, config: Config) -> None:
    """At the nominal values, of the events that pass at both levels."""
    matched = np.flatnonzero(problem.pass_gen & problem.pass_reco)
    theta = jnp.array([nuisance.nominal for nuisance in config.nuisances], float)
    shape = jax.eval_shape(response, problem.gen[0], problem.reco[0], theta).shape
    if shape:
        raise InputError(f"response: shape {shape} for one event, expected a number")
    values, scores = steps.log_response(response)(problem.gen[matched], problem.reco[matched], theta)
    bad = ~(np.isfinite(values) & np.isfinite(scores).all(1))
    if bad.any():
        row = matched[np.argmax(bad)]
        raise InputError(f"response: not finite in row {row} at the nominal values, expected a logarithm of weights")
    idle = [n.name for n, column in zip(config.nuisances, scores.T, strict=True) if not column.any()]
    if idle:
        raise InputError(f"response: does not depend on {', '.join(idle)}, expected all nuisances to change it")
    if jnp.shape(penalty(theta)) or not jnp.isfinite(penalty(theta)):
        raise InputError(f"penalty: {penalty(theta)} at the nominal values, expected a finite number")


def untrained(spec: Spec) -> State:
    """A state of the right shapes."""
    config, n, k = spec.config, spec.events, len(spec.config.nuisances)

    def floats(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, jnp.result_type(float))

    def flags(*shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, bool)

    rounds = config.iterations
    step = diagnostics.Step(*[floats(rounds)] * len(diagnostics.Step._fields))
    step = step._replace(quantiles=floats(rounds, len(diagnostics.QUANTILES)))
    history = Step(floats(rounds, k), flags(rounds, k), flags(rounds), floats(rounds), step, step)
    fits = 1 + config.bootstraps
    params = Params(floats(fits, n), floats(fits, k), floats(k, k), floats(), history)
    return State(spec, Constants(floats(n, len(spec.gen_columns)), np.empty(32, np.uint8)), params)


save = states.save
load = states.loader({Spec: untrained}, "an unfolding by Profile OmniFold")
