"""CaloFlow: fast and faithful showers from normalizing flows (arXiv:2106.05285, arXiv:2110.11377, arXiv:2312.09290).

Flow I learns the energies of the layers given the incident energy, flow II the cells given those. `fit`, then `sample`
showers, or `log_prob` of showers: a density in MeV with all log-determinants.
"""

from __future__ import annotations

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hepjax import data, devices, metrics
from hepjax.pipelines import checks, states
from hepjax.pipelines.caloflow import coordinates, model, training
from hepjax.pipelines.caloflow.config import Config
from hepjax.pipelines.showers import energies, samples, stored, symmetry
from hepjax.pipelines.showers.stored import Stored
from hepjax.training import plan
from hepjax.types import AnyArray, Geometry, InputError, PRNGKey, Showers, State

SHOWERS_A_NODE = 250

__all__ = ["Config", "fit", "load", "log_prob", "sample", "save"]


def fit(
    key: PRNGKey,
    showers: Showers | Stored,
    config: Config = Config(),  # noqa: B008 - frozen
    *,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> State:
    """Train the flows on a sample of showers.

    Of showers in a file that stay there, constants are fitted to a random sample, and each epoch draws fresh noise, in
    place of `config.copies`.

    folder: where checkpoints and `history.csv` go; with resume, a fit that was killed continues there and ends with the
    same parameters. Returns a `State` for `sample`, `log_prob` and `save`. Raises InputError for options out of range,
    and for showers that are not physical, fewer than 100, or all of one energy.
    """
    _check_options(config)
    key_rows, key_noise, key_train = jax.random.split(key, 3)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key_rows)))
    if isinstance(showers, Stored):
        spec, constants, inputs = _prepare_stored(key_noise, rng, showers, config)
    else:
        spec, constants, inputs = _prepare(key_noise, rng, showers, config)
    place = None if folder is None else Path(folder)
    return State(spec, constants, training.fit_flows(key_train, spec, inputs, place, resume))


def sample(
    key: PRNGKey,
    state: State,
    incident_energy: Float[AnyArray, " n"],
    *,
    rows: Int[AnyArray, " n"] | None = None,
    extrapolate: bool = False,
) -> Showers:
    """One shower for each incident energy (n,) in MeV.

    Cells are non-negative with exact zeros and add up to the energies of their layers. Jitted; every shower draws its
    noise from `fold_in(key, row)`; rows: 0 to n - 1 by default, others for a part of a table. Raises InputError for
    energies that are not positive and finite, or beyond `model.known_energies`, unless it is to extrapolate.
    """
    energies.require(incident_energy, model.known_energies(state), extrapolate)
    incident_energy = jnp.asarray(incident_energy, float)
    fixed, size = (key, state.constants, state.params), state.spec.config.batch
    voxels = devices.over_events(model.sampler(state.spec), fixed, (incident_energy,), rows, size)
    return Showers(incident_energy, voxels, state.spec.geometry)


def log_prob(
    key: PRNGKey, state: State, showers: Showers, *, draws: int = 1, extrapolate: bool = False
) -> Float[Array, " n"]:
    """Log-density of each shower given its incident energy, in nats, with cells in MeV.

    Hit cells are measured by Lebesgue's measure in MeV, exact zeros are counted. The logarithm of an unbiased estimate:
    the mean over `draws` of the noise that `caloflow_coordinates` explains. The student's variant has its teacher's
    density. Raises InputError for showers of another geometry, not physical, or of energies as `sample` does.
    """
    require_geometry(state, showers.geometry)
    data.showers.check(showers)
    energies.require(showers.incident_energy, model.known_energies(state), extrapolate)
    energy, voxels = jnp.asarray(showers.incident_energy, float), jnp.asarray(showers.voxels, float)
    fixed, size = (key, state.constants, state.params), state.spec.config.batch
    return devices.over_events(model.density(state.spec, draws), fixed, (energy, voxels), size=size)


def require_geometry(state: State, geometry: Geometry) -> None:
    """Raises InputError unless the geometry is that of the state."""
    if geometry != state.spec.geometry:
        raise InputError(f"showers of geometry {geometry.name}, the model expects {state.spec.geometry.name}")


def in_memory(config: Config, geometry: Geometry) -> int:
    """How many showers a fit in memory makes of each: itself, in all orientations, and those in draws of the noise."""
    return 1 + _images(config, geometry) * (1 + config.copies)


def _images(config: Config, geometry: Geometry) -> int:
    """Orientations in which showers may be trained on."""
    return len(symmetry.orientations(geometry)) if config.symmetry == "auto" else 1


Prepared = tuple[model.Spec, coordinates.Fitted, training.Inputs]


def _prepare(key: PRNGKey, rng: np.random.Generator, showers: Showers, config: Config) -> Prepared:
    """What the flows need of showers in memory."""
    samples.require(showers)
    rows = samples.hold_out(rng, len(showers), config.validation)
    spec, images = _specify(showers, len(rows[0]), config)
    train, held = (symmetry.turn(showers[part], images) for part in rows)
    constants, train, held = training.tables(key, spec, train, held)
    return spec, constants, training.from_memory(train, held)


def _prepare_stored(key: PRNGKey, rng: np.random.Generator, showers: Stored, config: Config) -> Prepared:
    """What they need of showers on disk."""
    divided = stored.divide(rng, showers, config.validation, _images(config, showers.geometry))
    spec, images = _specify(divided.sample, len(divided.sample), config)
    constants = training.constants(key, spec, symmetry.turn(divided.sample, images))
    return spec, constants, training.from_disk(spec, constants, images, divided)


def _specify(showers: Showers, train: int, config: Config) -> tuple[model.Spec, np.ndarray]:
    """The specification for a sample of which `train` showers are trained on, and their orientations in training."""
    heavy = coordinates.heavy_layers(np.asarray(metrics.layer_energies(showers.voxels, showers.geometry)))
    nodes = int(np.clip(train // SHOWERS_A_NODE, 2, config.nodes))
    images = symmetry.orientations(showers.geometry)
    if config.symmetry == "none" or not symmetry.symmetric(showers, images):
        images = images[:1]
    return model.Spec(config, showers.geometry, heavy, nodes), images


def _check_options(config: Config) -> None:
    checks.at_least(config, layers_depth=1, depth=1, copies=1, batch=1, nodes=2, bins=2)
    checks.positive(config, "bound", "scale_noise")
    checks.fraction(config, "validation", zero=False)
    for recipe in (config.layers_training, config.training, config.student_training):
        plan.check(recipe)


save = states.save
load = states.loader({model.Spec: training.untrained}, "one of CaloFlow")
