"""Energies of showers by maximum likelihood (arXiv:2404.18992): the estimate knows no prior of the training sample.

    E_hat(x) = argmax_E ln p(x | E),    -2 ln(L / L_max) = 1 at the ends of its interval

with p the mean of an ensemble of flows of a few features x of the shower, conditional on its energy. `fit`, then
`calibrate`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Array, Float

from hepjax import data, devices, training
from hepjax.pipelines import checks, states
from hepjax.pipelines.calibration import features, model
from hepjax.pipelines.calibration.config import Config
from hepjax.pipelines.calibration.model import Calibrated
from hepjax.pipelines.showers import samples, stored
from hepjax.pipelines.showers.stored import Stored
from hepjax.training import plan, stream
from hepjax.types import AnyArray, Events, InputError, Params, PRNGKey, Showers, State

IN_MEMORY = 3
"""How many times a fit in memory has its showers there."""

__all__ = ["Calibrated", "Config", "calibrate", "fit", "load", "log_likelihood", "save"]


def fit(
    key: PRNGKey,
    showers: Showers | Stored,
    config: Config = Config(),  # noqa: B008 - frozen
    *,
    weight: Float[AnyArray, " n"] | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Train the ensemble on showers of known energies.

    Of showers in a file that stay there, constants are fitted to a random sample.

    weight: of every shower, zero or above, 1/E for instance to make a uniform sample a log-uniform one. folder: where
    checkpoints and `history.csv` go; with resume, a fit that was killed continues there and ends with the same
    parameters. Returns a `State` for `calibrate` and `save`.

    Raises InputError for options out of range, weights that are none, and showers that are not physical, fewer than
    100, or all of one energy.
    """
    _check_options(config)
    if weight is not None and isinstance(showers, Stored):
        raise InputError("weights of showers on disk, expected none, or showers in memory")
    sample = _sample(key, showers)
    samples.require(sample)
    weight = _checked(weight, len(showers))
    spec = model.Spec(config, sample.geometry, features.heaviest(sample.voxels, sample.geometry))
    constants = model.fit_constants(spec, sample, weight)
    # Features are some numbers a shower, and in memory in any case.
    pieces = [model.table(spec, constants, piece, weight) for piece in _pieces(showers)]
    events = jax.tree.map(lambda *parts: jnp.concatenate(parts), *pieces)
    return State(spec, constants, _fit_members(key, spec, events, folder, resume))


def calibrate(state: State, voxels: Float[AnyArray, "*batch v"]) -> Calibrated:
    """The most likely energies of showers and their intervals; voxels in MeV, their incident energy is not asked for.

    Compiled, and differentiable with respect to `voxels`, `state.constants` and `state.params` by the implicit
    function theorem; derivatives are NaN where the search has not converged. See `Calibrated` for the flags.
    Raises InputError for showers of another number of cells than the state's, and for cells that are not physical.
    """
    fixed, size = (state.constants, state.params), state.spec.config.batch
    calibrated = devices.over_events(model.calibrator(state.spec), fixed, (_flat(state, voxels),), size=size)
    return jax.tree.map(lambda a: a.reshape(jnp.shape(voxels)[:-1]), calibrated)


def log_likelihood(
    state: State, voxels: Float[AnyArray, "*batch v"], energy_mev: Float[AnyArray, "*batch k"]
) -> Float[Array, "*batch k"]:
    """ln p(features | E) of showers at each of the energies, in nats.

    Raises InputError as `calibrate` does, and for energies that are not finite and above zero.
    """
    if not isinstance(energy_mev, Tracer):
        data.showers.check_energies(np.ravel(energy_mev))
    flat, energy = _flat(state, voxels), jnp.asarray(energy_mev, float)
    values = model.likelihood(state.spec)(state.constants, state.params, flat, energy.reshape(len(flat), -1))
    return values.reshape(energy.shape)


def _check_options(config: Config) -> None:
    checks.at_least(config, members=1, components=1, degree=1, batch=1)
    if len(set(config.features)) != len(config.features) or not config.features:
        raise InputError(f"config: features are {', '.join(config.features)}, expected one or several, each once")
    checks.fraction(config, "validation")
    if not (config.smear >= 0 and config.reach > 1):
        raise InputError("config: expected smear zero or above, and reach above 1")
    plan.check(config.training)


def _sample(key: PRNGKey, showers: Showers | Stored) -> Showers:
    """What constants are fitted to: all showers, or a random sample of those on disk."""
    if not isinstance(showers, Stored):
        return showers
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    return stored.divide(rng, showers, validation=0.0, images=1).sample


def _pieces(showers: Showers | Stored) -> Iterator[Showers]:
    """All showers, those on disk some at a time."""
    if isinstance(showers, Stored):
        return stream.pieces(showers.showers)
    return iter((showers,))


def _checked(weight: AnyArray | None, showers: int) -> Array | None:
    """Weights of mean one."""
    if weight is None:
        return None
    weight = np.asarray(weight, np.float64)
    if weight.shape != (showers,) or not (np.isfinite(weight) & (weight >= 0)).all() or not weight.any():
        raise InputError(
            f"weights of shape {weight.shape}, expected {showers} finite ones, zero or above, not all zero"
        )
    return jnp.asarray(weight / weight.mean(), float)


def _flat(state: State, voxels: AnyArray) -> Array:
    """Showers (n, v) in the dtype of the state; values are checked where there are any, not while JAX traces."""
    geometry, shape = state.spec.geometry, jnp.shape(voxels)
    if shape[-1:] != (geometry.voxels,):
        raise InputError(f"showers of shape {shape}, the model expects (..., {geometry.voxels}) of {geometry.name}")
    flat = voxels.reshape(-1, geometry.voxels)
    if not isinstance(flat, Tracer):
        data.showers.check_voxels(np.asarray(flat), geometry)
    return jnp.asarray(flat, float)


def _fit_members(
    key: PRNGKey, spec: model.Spec, events: Events, folder: str | os.PathLike[str] | None, resume: bool
) -> Params:
    """Parameters of all members, stacked. Each holds out other events, as long as there are enough."""
    config, flow = spec.config, model.build(spec)
    key_rows, key_train = jax.random.split(key)
    order = np.asarray(jax.random.permutation(key_rows, len(events.x)))
    held = round(config.validation * len(order))
    recipe = dataclasses.replace(config.training, validation=0.0)
    params, histories = [], {}
    for member in range(config.members):
        turned, name = np.roll(order, -member * held), f"member_{member + 1}"
        fitted = training.fit(
            jax.random.fold_in(key_train, member),
            flow,
            training.take(events, turned[held:]),
            recipe,
            validation=training.take(events, turned[:held]) if held else None,
            folder=None if folder is None else Path(folder) / name,
            resume=resume,
            name=name,
        )
        params.append(fitted.params)
        histories[name] = fitted.history
    if folder is not None:
        training.write_histories(Path(folder) / "history.csv", histories)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *params)


save = states.save
load = states.loader({model.Spec: lambda spec: State(spec, *model.untrained(spec))}, "one of a calibration")
