"""Anomalous showers by their likelihood, without a model of the anomaly (arXiv:2312.11618).

CaloFlow learns the density p(shower | E) of the background and a calibration estimates the energies of showers; the
score is minus the log-likelihood at that energy. A log-likelihood grows with the number of hits and so with the energy,
whatever the shower looks like: it is taken relative to its mean m and width s at that energy,

    z = (log p(shower | E) - m(ln E)) / s(ln E),    score = -z (one-sided) or |z| (two-sided),

which are measured on background that neither was trained on, by the very steps that score a shower. Close pairs of
photons look too likely rather than too unlikely: the two-sided score is for these. `fit`, then `score`.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hepjax import data, devices, transforms
from hepjax.pipelines import calibration, caloflow, checks, states
from hepjax.pipelines.anomaly import model
from hepjax.pipelines.anomaly.config import Config, Energy, Quantity, Sides
from hepjax.pipelines.anomaly.model import Scored
from hepjax.pipelines.calibration import model as calibration_model
from hepjax.pipelines.caloflow import training as caloflow_training
from hepjax.pipelines.showers import samples, stored
from hepjax.pipelines.showers.stored import Stored
from hepjax.training import read_histories, write_histories
from hepjax.types import AnyArray, InputError, PRNGKey, Showers, State

FEWEST_HELD = 20
HISTORY = "history.csv"
GRID = np.linspace(-3, 3, 9)
"""Energies at which the likelihood is maximised: standard deviations of the estimate, around it."""
WIDEST = 0.25
"""Greatest standard deviation of ln E there: the interval of a poor estimate is as wide as the search."""

__all__ = ["Config", "Scored", "fit", "hold_out", "load", "save", "score"]


def fit(
    key: PRNGKey,
    background: Showers | Stored,
    config: Config = Config(),  # noqa: B008 - frozen
    *,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Train on background showers of known energies.

    A fraction `held_out` of them is seen by neither training: their log-likelihoods tell which are usual. folder: where
    checkpoints and `history.csv` go; with resume, a fit that was killed continues there and ends with the same
    parameters. Returns a `State` for `score` and `save`. Raises InputError for options out of range, and for showers
    that are not physical, fewer than 100, or all of one energy.
    """
    _check_options(config)
    if not isinstance(background, Stored):
        samples.require(background)
    train, held = hold_out(key, background, config)
    if len(held) < FEWEST_HELD:
        raise InputError(f"{len(held)} showers held out of {len(background)}, expected at least {FEWEST_HELD}")
    key_showers, key_energy, key_usual = jax.random.split(key, 3)
    places = {name: None if folder is None else Path(folder) / name for name in model.Params._fields}
    showers = caloflow.fit(key_showers, train, config.showers, folder=places["showers"], resume=resume)
    energy = calibration.fit(key_energy, train, config.energy, folder=places["energy"], resume=resume)
    if folder is not None:
        _join_histories(Path(folder), model.Params._fields)
    spec = model.Spec(config, showers.spec, energy.spec)
    untrended = State(
        spec,
        model.Constants(showers.constants, energy.constants, trends=None),  # type: ignore[arg-type]
        model.Params(showers.params, energy.params),
    )
    trends = model.Trends(**{how: _usual(key_usual, untrended, held, how) for how in model.Trends._fields})
    return untrended._replace(constants=untrended.constants._replace(trends=trends))


def hold_out(key: PRNGKey, background: Showers | Stored, config: Config) -> tuple[Showers | Stored, Showers]:
    """The background that `fit` trains on with this key, and what it holds out: to choose options by, for instance."""
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    if isinstance(background, Stored):
        divided = stored.divide(rng, background, config.held_out, images=1)
        return dataclasses.replace(background, showers=divided.train.source, rows_a_chunk=divided.block), divided.held
    train, held = samples.hold_out(rng, len(background), config.held_out)
    return background[train], background[held]


def score(
    key: PRNGKey,
    state: State,
    voxels: Float[AnyArray, "n v"],
    *,
    energy: Energy | Float[AnyArray, " n"] = "estimated",
    sides: Sides = "one",
    quantity: Quantity = "density",
    rows: Int[AnyArray, " n"] | None = None,
) -> Scored:
    """Anomaly scores of showers, cells in MeV.

    energy: `estimated`, by the calibration; `maximised`, where the density of the whole shower is largest within three
    standard deviations of the estimate; or known incident energies in MeV. sides: `one`, unlikely showers are
    anomalous; `two`, those that are too likely are so too. quantity: the likelihood of what: the cells in MeV
    (`density`), CaloFlow's nearly normal `coordinates`, or those of the `layers` or of the `cells` alone. Every shower
    draws its noise from `fold_in(key, row)`; rows: 0 to n - 1 by default, others for a part of a table.

    Raises InputError for showers of another geometry, not physical, or with energies that are not, and for a quantity
    that the model does not have.
    """
    names = model.quantities(state.spec)
    if quantity not in names:
        raise InputError(f"no likelihood of {quantity}, the model has those of {', '.join(names)}")
    how, known = (energy, None) if isinstance(energy, str) else ("known", energy)
    scored = _scored(state, _likelihoods(key, state, voxels, how, known, rows), how, quantity)
    return scored if sides == "one" else scored._replace(score=jnp.abs(scored.score))


def score_estimated(key: PRNGKey, state: State, voxels: Float[Array, "*batch v"], rows: Int[Array, "*batch"]) -> Scored:
    """`score` with its defaults but without its checks, so that JAX can trace it. rows: of the showers' noise."""
    spec, constants, params = model.part(state, "energy")
    found = calibration_model.calibrated(spec, constants, params, voxels)
    flow = model.part(state, "showers")
    log_probs = model.likelihoods(state.spec)(key, flow.constants, flow.params, found.energy_mev, voxels, rows)
    likelihoods = _Likelihoods(log_probs, found.energy_mev, found.converged, found.in_range)
    return _scored(state, likelihoods, "estimated", "density")


class _Likelihoods(NamedTuple):
    """log_probs: a column for each of `quantities`, in nats. energy_mev: where they were taken. converged, in_range: as
    the calibration says, whose energy that is; True where it was not asked."""

    log_probs: Float[Array, "*batch q"]
    energy_mev: Float[Array, "*batch"]
    converged: Bool[Array, "*batch"]
    in_range: Bool[Array, "*batch"]


def _likelihoods(
    key: PRNGKey,
    state: State,
    voxels: AnyArray,
    how: str,
    known: AnyArray | None = None,
    rows: AnyArray | None = None,
) -> _Likelihoods:
    """Likelihoods of showers at energies that are `estimated`, `maximised` or `known`."""
    geometry = state.spec.showers.geometry
    data.showers.check(Showers(np.ones(np.shape(voxels)[0]) if known is None else known, voxels, geometry))
    voxels = jnp.asarray(voxels, float)
    if known is not None:
        energy = jnp.asarray(known, float)
        every = jnp.ones(energy.shape, bool)
        return _Likelihoods(_log_probs(key, state, voxels, energy, rows), energy, every, every)
    calibrated = calibration.calibrate(model.part(state, "energy"), voxels)
    if how == "maximised":
        return _maximised(key, state, voxels, calibrated, rows)
    energy = calibrated.energy_mev
    log_probs = _log_probs(key, state, voxels, energy, rows)
    return _Likelihoods(log_probs, energy, calibrated.converged, calibrated.in_range)


def _maximised(
    key: PRNGKey, state: State, voxels: Array, start: calibration.Calibrated, rows: AnyArray | None
) -> _Likelihoods:
    """Likelihoods where the density of the shower is largest, near the energy that the calibration estimates.

    Splines are smooth in pieces only: a grid, and a parabola through its best and the neighbours, no Newton's method.
    """
    ends = start.energy_mev - start.sigma_low_mev, start.energy_mev + start.sigma_high_mev
    width = jnp.minimum((jnp.log(ends[1]) - jnp.log(ends[0])) / 2, WIDEST)
    nodes = jnp.log(start.energy_mev)[:, None] + width[:, None] * GRID
    found = jnp.stack([_log_probs(key, state, voxels, jnp.exp(node), rows) for node in nodes.T], axis=1)
    top = model.vertex(nodes, found[..., 0])
    found = jnp.concatenate([found, _log_probs(key, state, voxels, jnp.exp(top), rows)[:, None]], axis=1)
    best = jnp.argmax(found[..., 0], axis=1)[:, None]
    energy = jnp.take_along_axis(jnp.append(nodes, top[:, None], axis=1), best, axis=1)
    largest = jnp.take_along_axis(found, best[..., None], axis=1)[:, 0]
    return _Likelihoods(largest, jnp.exp(energy[:, 0]), start.converged, start.in_range)


def _log_probs(key: PRNGKey, state: State, voxels: Array, energy: Array, rows: AnyArray | None) -> Float[Array, "n q"]:
    """Log-likelihoods, a column for each of `quantities`."""
    spec, constants, params = model.part(state, "showers")
    likelihoods = model.likelihoods(state.spec)
    return devices.over_events(likelihoods, (key, constants, params), (energy, voxels), rows, spec.config.batch)


def _usual(key: PRNGKey, state: State, held: Showers, how: str) -> transforms.Trend:
    """Mean and width of the log-likelihoods of background, as functions of ln E."""
    found = _likelihoods(key, state, held.voxels, how, held.incident_energy if how == "known" else None)
    return model.trend(state.spec).fit(found.log_probs, _given(state, found))


def _scored(state: State, found: _Likelihoods, how: str, quantity: str) -> Scored:
    """One-sided scores from likelihoods."""
    column = model.quantities(state.spec).index(quantity)
    low, high = state.constants.showers.incident_range
    score, log_prob = -_relative(state, found, how)[..., column], found.log_probs[..., column]
    finite = jnp.isfinite(score) & jnp.isfinite(log_prob)  # energies in the range are
    in_range = found.in_range & (found.energy_mev >= low) & (found.energy_mev <= high) & finite
    return Scored(score, log_prob, found.energy_mev, found.converged, in_range)


def _relative(state: State, found: _Likelihoods, how: str) -> Float[Array, "*batch q"]:
    """Log-likelihoods in widths above the usual ones at their energies."""
    usual = getattr(state.constants.trends, how)
    return model.trend(state.spec).forward(usual, found.log_probs, _given(state, found))[0]


def _given(state: State, found: _Likelihoods) -> Float[Array, "*batch 1"]:
    """ln E, within the background's: polynomials know nothing beyond."""
    return jnp.log(jnp.clip(found.energy_mev, *state.constants.showers.incident_range))[..., None]


def _join_histories(folder: Path, names: tuple[str, ...]) -> None:
    """One history.csv of those that the fits in the folders `names` have left."""
    parts = {part: columns for name in names for part, columns in read_histories(folder / name / HISTORY).items()}
    arrays = {part: {name: np.array(column) for name, column in columns.items()} for part, columns in parts.items()}
    write_histories(folder / HISTORY, arrays)


def _check_options(config: Config) -> None:
    checks.at_least(config, degree=1, draws=1)
    checks.fraction(config, "held_out", zero=False)


def _untrained(spec: model.Spec) -> State:
    """A state of the right shapes."""
    showers = caloflow_training.untrained(spec.showers)
    constants, params = calibration_model.untrained(spec.energy)
    columns, none = jnp.zeros((spec.config.degree + 1, len(model.quantities(spec)))), jnp.zeros(())
    usual = transforms.Trend(none, none, columns, columns)
    trends = model.Trends(usual, usual, usual)
    return State(spec, model.Constants(showers.constants, constants, trends), model.Params(showers.params, params))


save = states.save
load = states.loader({model.Spec: _untrained}, "one of an anomaly search")
