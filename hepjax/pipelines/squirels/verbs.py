"""SQuIRELS: refine showers of a fast simulation into those of the full one (arXiv:2308.12339).

Two bridges in turn: one carries the total response, sum/E, from the fast to the full simulation at the same incident
energy, the other the shape of the shower given that response. The samples are unpaired; showers of nearly the same
energy stand beside each other in training. `fit`, then `refine`.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer
from jaxtyping import Int

from hepjax import data, devices, transforms
from hepjax.pipelines import checks, states
from hepjax.pipelines.showers import coordinates, energies, samples, symmetry
from hepjax.pipelines.squirels import model, pairing
from hepjax.pipelines.squirels import training as bridge_training
from hepjax.pipelines.squirels.config import Config
from hepjax.training import plan, write_histories
from hepjax.types import AnyArray, InputError, PRNGKey, Showers, State

PASSES = 8
SHOWERS_A_NODE = 250

__all__ = ["Config", "fit", "load", "refine", "save"]


def fit(
    key: PRNGKey,
    fast: Showers,
    full: Showers,
    config: Config = Config(),  # noqa: B008 - frozen
    *,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Train both bridges on two unpaired samples of the same geometry and energies.

    folder: where checkpoints and `history.csv` go; with resume, a fit that was killed continues there
    and ends with the same parameters. Returns a `State` for `refine` and `save`. Raises InputError for options out of
    range, and for samples that are not physical, of different geometries, of fewer than 100 showers, or without
    common energies.
    """
    _check_options(config)
    _check_samples(fast, full)
    key_rows, key_train, key_held, key_response, key_shape, key_marginals = jax.random.split(key, 6)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key_rows)))
    fast, fast_held = _hold_out(rng, fast, config.validation)
    full, full_held = _hold_out(rng, full, config.validation)
    nodes = int(np.clip(len(full) // SHOWERS_A_NODE, 2, config.nodes))
    spec = model.Spec(config, full.geometry, coordinates.core_cells(full), nodes)
    images = _images(config, fast, full)
    sides = _side_by_side(rng, config, images, fast, full)
    constants = _preprocess(key_train, spec, *sides)
    table = bridge_training.encode(key_train, spec, constants, *sides)
    held = None
    if full_held is not None and fast_held is not None:
        held_sides = _side_by_side(rng, config, images, fast_held, full_held)
        held = bridge_training.encode(key_held, spec, constants, *held_sides)

    def train(key, which):
        place = None if folder is None else Path(folder) / which
        return bridge_training.fit_bridge(key, spec, which, table, held, place, resume)

    (response, of_response), (shape, of_shape) = train(key_response, "response"), train(key_shape, "shape")
    if folder is not None:
        write_histories(Path(folder) / "history.csv", {"response": of_response, "shape": of_shape})
    params = model.Bridges(response, shape)
    if spec.recalibrated:
        constants = model.recalibrate(key_marginals, spec, constants, params, _flat(sides[0]))
    return State(spec, constants, params)


def refine(
    key: PRNGKey,
    state: State,
    fast: Showers,
    *,
    rows: Int[AnyArray, " n"] | None = None,
    extrapolate: bool = False,
) -> Showers:
    """Refined showers, one for each fast one, at the same incident energies.

    Jitted; differentiable with respect to `fast` and `state.params`. Every shower draws its noise from
    `fold_in(key, row)`; rows: 0 to n - 1 by default, others for a part of a table. Cells are non-negative with exact
    zeros, and add up to the refined response times the energy. Raises InputError for showers of another geometry than
    the state's, not physical, or of energies beyond `model.known_energies`, unless it is to extrapolate; values are
    looked at where there are any, not while JAX traces.
    """
    if fast.geometry != state.spec.geometry:
        raise InputError(f"showers of geometry {fast.geometry.name}, the model expects {state.spec.geometry.name}")
    energies.require(fast.incident_energy, model.known_energies(state), extrapolate)
    if not isinstance(fast.voxels, Tracer):
        data.showers.check_voxels(np.asarray(fast.voxels), fast.geometry)
    energy, voxels = jnp.asarray(fast.incident_energy, float), jnp.asarray(fast.voxels, float)
    fixed, size = (key, state.constants, state.params), state.spec.config.refine_batch
    voxels = devices.over_events(model.refiner(state.spec), fixed, (energy, voxels), rows, size)
    return Showers(fast.incident_energy, voxels, fast.geometry)


def _check_options(config: Config) -> None:
    if config.net == "conv" and config.coordinates != "zscore":
        raise InputError(f"config: net conv with coordinates {config.coordinates}, expected zscore ones, or net resnet")
    checks.at_least(
        config, response_width=1, width=1, blocks=1, steps=1, group=1, iterations=1, refine_batch=1, nodes=2
    )
    checks.fraction(config, "validation")
    if not (config.gamma > 0 and config.threshold_mev >= 0):
        raise InputError("config: expected gamma above zero, and threshold_mev zero or above")
    for recipe in (config.response_training, config.shape_training):
        plan.check(recipe)


def _check_samples(fast: Showers, full: Showers) -> None:
    if fast.geometry != full.geometry:
        raise InputError(f"fast showers of geometry {fast.geometry.name}, expected the full ones' {full.geometry.name}")
    for name, showers in (("fast", fast), ("full", full)):
        samples.require(showers, name)
    ranges = [(s.incident_energy.min(), s.incident_energy.max()) for s in (fast, full)]
    if max(low for low, _ in ranges) >= min(high for _, high in ranges):
        (a, b), (c, d) = ranges
        raise InputError(
            f"fast showers of {a:.4g}..{b:.4g} MeV, full ones of {c:.4g}..{d:.4g}: expected common energies"
        )


def _hold_out(rng: np.random.Generator, showers: Showers, fraction: float) -> tuple[Showers, Showers | None]:
    train, held = samples.hold_out(rng, len(showers), fraction)
    return showers[train], showers[held] if len(held) else None


def _images(config: Config, fast: Showers, full: Showers) -> np.ndarray:
    """Orientations in which both samples look alike."""
    images = symmetry.orientations(full.geometry)
    respected = config.symmetry == "auto" and all(symmetry.symmetric(s, images) for s in (fast, full))
    return images if respected else images[:1]


def _side_by_side(
    rng: np.random.Generator, config: Config, images: np.ndarray, fast: Showers, full: Showers
) -> tuple[Showers, Showers]:
    """Both samples in passes of rising energy; a pass is a whole number of groups and as long as the full sample."""
    length = len(full) // config.group * config.group or len(full)

    def passes(showers):
        ordered = pairing.in_passes(rng, np.asarray(showers.incident_energy), PASSES, length, len(images))
        return pairing.take(showers, ordered, images)

    return passes(fast), passes(full)


def _preprocess(key: PRNGKey, spec: model.Spec, fast: Showers, full: Showers) -> model.Preprocessing:
    """Constants of both samples' coordinates, fitted to the table of all passes."""
    coords = model.shower_coordinates(spec)

    def constants(showers):
        return coords.fit(jax.random.split(key, showers.incident_energy.shape), showers)

    fast, full = _flat(fast), _flat(full)
    energy = transforms.standardize().fit(coordinates.log_energy(full.incident_energy))
    return model.Preprocessing(constants(fast), constants(full), energy)


def _flat(showers: Showers) -> Showers:
    """All passes of a table as one sample."""
    energy, voxels = showers.incident_energy.reshape(-1), showers.voxels.reshape(-1, showers.geometry.voxels)
    return Showers(jnp.asarray(energy, float), jnp.asarray(voxels, float), showers.geometry)


def _untrained(spec: model.Spec) -> State:
    """A state of the right shapes: constants of some showers, initial parameters."""
    key, energy = jax.random.key(0), np.geomspace(1e3, 2e3, 2 * spec.nodes)
    showers = Showers(energy, np.ones((len(energy), spec.geometry.voxels)), spec.geometry)
    constants = _preprocess(key, spec, showers, showers)
    params = model.Bridges(*(jax.jit(bridge.init)(key) for bridge in model.forward(spec)))
    if spec.recalibrated:
        given, dims = coordinates.log_energy(jnp.asarray(energy)), (1, model.shower_coordinates(spec).dim)
        marginals = (model.scores(spec).fit(np.zeros((len(energy), dim)), given) for dim in dims)
        constants = constants._replace(marginals=model.Bridges(*marginals))
    return State(spec, constants, params)


save = states.save
load = states.loader({model.Spec: _untrained}, "one of SQuIRELS")
