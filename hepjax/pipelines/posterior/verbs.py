"""Unfolding by a posterior p(gen | reco), learned on pairs of simulated events by whatever model.

`fit` trains the posterior on the simulation and corrects its prior with the data; `unfold` draws one particle-level
event for every event of the data, `sample` several. The corrected prior is in the weights of the draws.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hepjax import data as readers
from hepjax import devices, training
from hepjax.caching import cached
from hepjax.data.unfolding import columns
from hepjax.pipelines import checks
from hepjax.pipelines.events import observables
from hepjax.pipelines.events.preparation import FEWEST, check_subtraction, measured, unit, weighing
from hepjax.pipelines.place import Place
from hepjax.pipelines.posterior import acceptance, models, prior, sbunfold
from hepjax.pipelines.posterior.acceptance import Share
from hepjax.pipelines.posterior.config import Config
from hepjax.pipelines.posterior.prior import Correction, Drawn
from hepjax.tags import tagged
from hepjax.training import plan, write_histories
from hepjax.training.history import History
from hepjax.transforms.inputs import Masses
from hepjax.types import (
    AnyArray,
    Bridge,
    Column,
    Constants,
    Coupled,
    InputError,
    Measured,
    Params,
    PRNGKey,
    State,
    Unfolded,
    Unfolding,
)

MODELS: dict[str, Callable[[Config, int, int], Bridge]] = {
    "sbunfold": sbunfold.bridge,
    "cinn": models.cinn,
    "cfm": models.cfm,
    "didi": models.didi,
}
EVENTS_AT_ONCE = 8192


@tagged("posterior/spec", "hepjax.pipelines.posterior:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """A posterior: its model and options, the columns of both levels, what they hold, and the shares to learn.

    reco_columns: begin with those of gen, which a bridge starts from. clipped: for each share, the fraction of events
    of the fit for which it was cut. masses: for each share, the point masses of what it is learned from.
    """

    method: str
    config: Config
    gen_columns: tuple[Column, ...]
    reco_columns: tuple[Column, ...]
    gen_kinds: observables.Kinds
    reco_kinds: observables.Kinds
    shares: tuple[str, ...]
    clipped: tuple[tuple[str, float], ...] = ()
    masses: tuple[tuple[str, Masses], ...] = ()

    @property
    def nets(self) -> acceptance.Nets:
        """The classifiers of the shares."""
        return acceptance.Nets(self.config.hidden, self.masses)


class Levels(NamedTuple):
    """Fitted coordinates of both levels."""

    gen: Constants
    reco: Constants


class Learned(NamedTuple):
    """Parameters of the model, the correction of its prior, and the shares of events that pass."""

    model: Params
    prior: Correction | None
    shares: dict[str, Share]


class Sampled(NamedTuple):
    """Draws of the posterior with the simulation's prior, and the weights with which they follow the corrected one.

    gen: (k, n, d). weight: (k, n), w(gen) / E[w | reco], of mean one in every event; ones where no prior is corrected.
    """

    gen: Float[Array, "k n d"]
    weight: Float[Array, "k n"]


def fit(
    key: PRNGKey,
    simulation: Unfolding,
    data: Measured,
    method: str,
    config: Config = Config(),  # noqa: B008 - frozen
    *,
    background: Measured | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Learn the posterior, the shares of events that pass where some do not, and the correction of the prior.

    method: sbunfold, cinn, cfm or didi. Other arguments as in `unfolding.fit`. Returns a `State` for `unfold`.

    Raises InputError for options out of range, events that cannot be unfolded, negative weights of the simulation,
    missing columns, or a background as large as the data.
    """
    _check_options(config)
    readers.unfolding.check(simulation, negative_weights=False)
    simulation = _ordered(simulation, _gen_first(simulation))
    spec = _spec(simulation, method, config, background)
    data = measured(data, spec.reco_columns, "data")
    if background is not None:
        background = measured(background, spec.reco_columns, "background")
        check_subtraction(data, background)
        background = weighing(background, 1 / unit(data.weight))
    simulation, data = weighing(simulation, 1 / unit(simulation.weight)), weighing(data, 1 / unit(data.weight))
    place = Place.of(folder, resume)
    key_model, key_shares, key_prior = jax.random.split(key, 3)

    state, history = _fit_model(key_model, spec, simulation, place)
    shares, nets = acceptance.fit(key_shares, config, spec.shares, simulation, data, background, place)
    histories = {spec.method: history} | {name: share.ratio.history for name, share in shares.items()}
    shares = {name: share._replace(ratio=share.ratio._replace(history={})) for name, share in shares.items()}
    clipped = acceptance.clipped(shares, nets, data.reco, np.asarray(simulation.gen)[np.asarray(simulation.pass_gen)])
    spec = dataclasses.replace(spec, clipped=tuple(clipped.items()), masses=nets.masses)
    state = state._replace(spec=spec, params=state.params._replace(shares=shares))
    state, of_prior = _correct(key_prior, state, simulation, data, place)
    if place.folder is not None:
        write_histories(place.folder / "history.csv", histories | of_prior)
    return state


def correct(key: PRNGKey, state: State, simulation: Unfolding, data: Measured) -> State:
    """The state with the prior of other data: the posterior, trained once, stays.

    simulation: that of the fit. Raises InputError as `fit` does, and where a background was subtracted from the data of
    the fit, whose share belongs to them.
    """
    spec = state.spec
    if acceptance.BACKGROUND in spec.shares:
        raise InputError("state: has learned the background of its data, expected a new fit for others")
    data = measured(data, spec.reco_columns, "data")
    simulation, data = weighing(simulation, 1 / unit(simulation.weight)), weighing(data, 1 / unit(data.weight))
    return _correct(key, state, _ordered(simulation, spec.reco_columns), data, Place())[0]


def unfold(key: PRNGKey, state: State, data: Measured, *, rows: Int[AnyArray, " n"] | None = None) -> Unfolded:
    """One particle-level event for each event of the data, drawn from the posterior, with a weight.

    Weights are those of the data, times the share that is signal, times w(gen) / E[w | reco] of the corrected prior,
    over the share of such events that is measured. rows: as in `unfolding.unfold`; a table without is whole, and the
    correction leaves its yield exactly as it was (`close`). Raises InputError for events that cannot be unfolded, and
    for missing columns.
    """
    data = measured(data, state.spec.reco_columns, "data")
    found = unfolded_in_units(key, state, data, rows)
    return close(state, data, found) if rows is None else found


def unfolded_in_units(key: PRNGKey, state: State, data: Measured, rows: Int[AnyArray, " n"] | None = None) -> Unfolded:
    """`unfold` without its checks and before `close`, for any part of the data."""
    size = unit(data.weight)
    return weighing(unfolded(key, state, weighing(data, 1 / size), rows), size)


def unfolded(key: PRNGKey, state: State, data: Measured, rows: Int[AnyArray, " n"] | None = None) -> Unfolded:
    """`unfold` without its checks and before `close`, so that JAX can trace it, of weights of order one.

    rows: of the events' noise, by default 0 to n - 1.
    """
    drawn = _draws(key, state, jnp.asarray(data.reco, float), 1, rows)
    z = drawn.turn(0)
    gen = _decoded(state, z)
    shares, config = state.params.shares, state.spec.config
    weight = acceptance.signal(shares, state.spec.nets, data) * prior.factor(config, state.params.prior, drawn.reco, z)
    return Unfolded(gen, weight / acceptance.efficiency(shares, state.spec.nets, gen), state.spec.gen_columns)


def close(state: State, data: Measured, found: Unfolded) -> Unfolded:
    """The unfolded events of a whole table, scaled so that the correction of the prior keeps the yield exactly.

    The weights w(gen) / E[w | reco] have the mean one up to their fluctuations and to what the networks miss.
    """
    if state.params.prior is None:
        return found
    shares = state.params.shares
    size = unit(data.weight)
    before = np.asarray(acceptance.signal(shares, state.spec.nets, weighing(data, 1 / size)), np.float64).sum() * size
    measured_share = np.asarray(acceptance.efficiency(shares, state.spec.nets, jnp.asarray(found.gen)), np.float64)
    after = (np.asarray(found.weight, np.float64) * measured_share).sum()
    return weighing(found, before / after)


def sample(key: PRNGKey, state: State, reco: Float[AnyArray, "n e"], draws: int) -> Sampled:
    """Posterior draws of particle-level events, compiled, and their weights.

    reco: columns of `state.spec.reco_columns`. Raises InputError for events of another number of columns.
    """
    if np.ndim(reco) != 2 or np.shape(reco)[1] != len(state.spec.reco_columns):
        raise InputError(f"events of shape {np.shape(reco)}, the posterior expects (n, {len(state.spec.reco_columns)})")
    drawn = _draws(key, state, jnp.asarray(reco, float), draws)
    weight = prior.factor(state.spec.config, state.params.prior, drawn.reco, drawn.draws)
    return Sampled(_decoded(state, jnp.moveaxis(drawn.draws, 1, 0)), weight.T)


def prior_weight(
    key: PRNGKey, state: State, reco: Float[AnyArray, "n e"], gen: Float[AnyArray, "n d"]
) -> Float[Array, " n"]:
    """The weight w(gen) / E[w | reco] of given pairs of events, as `sample` has it of its draws.

    key: of the noise that spreads integers. Columns as in the state's specification.
    """
    key_gen, key_reco = jax.random.split(key)
    levels = coordinates(state.spec)
    z = levels.gen.encode(key_gen, state.constants.gen, jnp.asarray(gen, float))
    encoded = levels.reco.encode(key_reco, state.constants.reco, jnp.asarray(reco, float))
    return prior.factor(state.spec.config, state.params.prior, encoded, z)


def untrained(spec: Spec) -> State:
    """A state of the right shapes."""
    levels = Levels(
        observables.untrained(spec.config.coordinates, spec.gen_kinds),
        observables.untrained(spec.config.coordinates, spec.reco_kinds),
    )
    dims = len(spec.gen_columns), len(spec.reco_columns)
    correction = prior.untrained(spec.config, *dims) if spec.config.iterations else None
    shares = acceptance.untrained(spec.nets, spec.shares, *dims)
    parameters = jax.eval_shape(model(spec).init, jax.random.key(0))
    return State(spec, levels, Learned(parameters, correction, shares))


def model(spec: Spec) -> Bridge:
    """The model of a posterior, between the coordinates of both levels."""
    return MODELS[spec.method](spec.config, len(spec.gen_columns), len(spec.reco_columns) - len(spec.gen_columns))


def coordinates(spec: Spec) -> Levels:
    """The coordinates of both levels."""
    name = spec.config.coordinates
    return Levels(observables.coordinates(name, spec.gen_kinds), observables.coordinates(name, spec.reco_kinds))


def _spec(simulation: Unfolding, method: str, config: Config, background: Measured | None) -> Spec:
    """What to learn from a simulation whose reco begins with the columns of gen."""
    if method == "cinn" and len(simulation.gen_columns) < 2:
        raise InputError("simulation: one observable, a cinn couples two or more; expected another method")
    both = _both(simulation)
    if len(both) < FEWEST:
        raise InputError(f"simulation: {len(both)} events pass both levels, a fit needs at least {FEWEST}")
    return Spec(
        method,
        config,
        simulation.gen_columns,
        simulation.reco_columns,
        observables.kinds(np.asarray(simulation.gen)[both]),
        observables.kinds(np.asarray(simulation.reco)[both]),
        acceptance.needed(simulation, background),
    )


def _gen_first(simulation: Unfolding) -> tuple[Column, ...]:
    """The columns of reco, those that gen has first and in its order; raises InputError where gen has others."""
    names = [column.name for column in simulation.gen_columns]
    shared = columns.select(simulation.reco_columns, names, "simulation at detector level")
    return shared + tuple(column for column in simulation.reco_columns if column.name not in names)


def _ordered(simulation: Unfolding, reco_columns: tuple[Column, ...]) -> Unfolding:
    """The simulation with its columns of reco in this order."""
    order = [simulation.reco_columns.index(column) for column in reco_columns]
    return dataclasses.replace(simulation, reco=np.asarray(simulation.reco)[:, order], reco_columns=reco_columns)


def _fit_model(key: PRNGKey, spec: Spec, simulation: Unfolding, place: Place) -> tuple[State, History]:
    """Coordinates and model, trained on the events that pass both levels."""
    fit_gen, fit_reco, encode_gen, encode_reco, key_fit = jax.random.split(key, 5)
    pairs = simulation[_both(simulation)]
    gen, reco = coordinates(spec)
    levels = Levels(gen.fit(fit_gen, pairs.gen, pairs.weight), reco.fit(fit_reco, pairs.reco, pairs.weight))
    z_gen = gen.encode(encode_gen, levels.gen, jnp.asarray(pairs.gen, float))
    source, cond = _split(spec, reco.encode(encode_reco, levels.reco, jnp.asarray(pairs.reco, float)))
    table = Coupled(source, z_gen, cond, jnp.asarray(pairs.weight, float))
    fitted = training.fit(key_fit, model(spec), table, spec.config.training, **place.at(spec.method))
    return State(spec, levels, Learned(fitted.params, None, {})), fitted.history


def _correct(
    key: PRNGKey, state: State, simulation: Unfolding, data: Measured, place: Place
) -> tuple[State, dict[str, History]]:
    """The state with the correction of the prior, and the histories of its networks."""
    config = state.spec.config
    if not config.iterations:
        return state, {}
    key_simulation, key_data, key_fit = jax.random.split(key, 3)
    pairs = simulation[_both(simulation)]
    simulated = _draws(key_simulation, state, jnp.asarray(pairs.reco, float), config.draws)
    simulated = simulated._replace(weight=jnp.asarray(pairs.weight, float))
    drawn = _draws(key_data, state, jnp.asarray(data.reco, float), config.draws)
    drawn = drawn._replace(weight=acceptance.signal(state.params.shares, state.spec.nets, data))
    correction, histories = prior.correct(key_fit, config, simulated, drawn, place)
    return state._replace(params=state.params._replace(prior=correction)), histories


def _both(simulation: Unfolding) -> np.ndarray:
    """Rows of the events that pass both levels."""
    return np.flatnonzero(np.asarray(simulation.pass_gen) & np.asarray(simulation.pass_reco))


def _draws(
    key: PRNGKey, state: State, reco: Float[Array, "n e"], number: int, rows: Int[AnyArray, " n"] | None = None
) -> Drawn:
    """Draws of the posterior with the simulation's prior, in coordinates, with the event they are drawn for."""
    key_encode, key_draw = jax.random.split(key)
    rows = jnp.arange(len(reco)) if rows is None else jnp.asarray(rows)
    encoded = coordinates(state.spec).reco.encode(key_encode, state.constants.reco, reco, rows)
    source, cond = _split(state.spec, encoded)

    def draw(key):
        fixed = (key, state.params.model)
        return devices.over_events(sampler(model(state.spec)), fixed, (source, cond), rows, EVENTS_AT_ONCE)

    draws = jnp.stack([draw(k) for k in jax.random.split(key_draw, number)], axis=1)
    return Drawn(encoded, draws, jnp.ones(len(reco)))


@cached
def sampler(bridge: Bridge) -> Callable[..., Array]:
    """Jitted (key, params, x (n, d), cond (n, c) or None, rows (n,)) -> (n, d): the transport of a table."""
    return jax.jit(jax.vmap(bridge.transport, (None, None, 0, 0, 0)))


def _split(spec: Spec, reco: Float[Array, "n e"]) -> tuple[Array, Array | None]:
    """What a bridge starts from, and the further conditions if any."""
    dim = len(spec.gen_columns)
    return reco[:, :dim], reco[:, dim:] if reco.shape[1] > dim else None


def _decoded(state: State, z: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    return coordinates(state.spec).gen.decode(state.constants.gen, z)


def _check_options(config: Config) -> None:
    checks.at_least(config, width=1, blocks=1, depth=1, bins=2, iterations=0, draws=1, sigma=0, tolerance=0)
    if config.steps is not None:
        checks.at_least(config, steps=1)
    checks.layers(config, "hidden")
    if not config.beta_max > 0:
        raise InputError(f"config: beta_max is {config.beta_max}, expected above zero")
    for recipe in (config.training, config.prior_training):
        plan.check(recipe)
