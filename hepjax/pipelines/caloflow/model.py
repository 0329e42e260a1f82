"""What CaloFlow is made of: its specification, its flows, and the jitted density and sampling."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from hepjax import dynamics, flows, transforms
from hepjax.caching import cached
from hepjax.pipelines.caloflow import coordinates as cells
from hepjax.pipelines.caloflow.config import Config
from hepjax.pipelines.showers import energies
from hepjax.tags import tagged
from hepjax.types import Bijection, Flow, Geometry, Showers, State


@tagged("caloflow/spec", "hepjax.pipelines.caloflow_model:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """All that rebuilds the functions of a fitted state: hashable, and JSON in its checkpoint.

    heavy: see `caloflow_coordinates`. nodes: energies at which quantiles are tabulated.
    """

    config: Config
    geometry: Geometry
    heavy: tuple[bool, ...]
    nodes: int

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.heavy) + 1


class Params(NamedTuple):
    """Parameters of the flows: of the layers' energies (None for a coupling flow, which has them in its one flow), of
    the cells, and of the student that samples the cells in the teacher's place (None without one).
    """

    layers: Any
    cells: Any
    student: Any


def known_energies(state: State) -> energies.Range:
    """Incident energies in MeV that the training has, and a little beyond."""
    return energies.beyond(state.constants.response.nodes)


def coordinates(spec: Spec) -> cells.Coordinates:
    """The coordinates in which the flows work."""
    config = spec.config
    return cells.caloflow(spec.geometry, spec.heavy, spec.nodes, config.scale_noise, config.significance)


@cached
def layers_flow(spec: Spec) -> Flow:
    """Flow I: z of the layers given the standardised ln E."""
    config = spec.config
    spline = flows.spline(config.bins, config.bound)
    bijection = flows.autoregressive(
        spec.layers,
        spline,
        depth=config.layers_depth,
        hidden=config.layers_hidden,
        dim_cond=1,
        precision=config.precision,
    )
    return flows.transformed(bijection, flows.normal(spec.layers))


@cached
def cells_flow(spec: Spec, student: bool = False) -> Flow:
    """Flow II: y of the cells given ln E and z; for the coupling variant both z and y given ln E.

    student: the inverse autoregressive flow, fast to sample.
    """
    config = spec.config
    if config.variant != "coupling":
        return flows.transformed(flows.chain(*cells_blocks(spec, student)), flows.normal(spec.geometry.voxels))
    size = spec.geometry.voxels + spec.layers
    bijection = flows.coupling(
        size,
        flows.spline(config.bins, config.bound),
        depth=config.depth,
        hidden=config.hidden,
        dim_cond=1,
        precision=config.precision,
        rematerialise=config.rematerialise,
    )
    return flows.transformed(bijection, flows.normal(size))


def cells_blocks(spec: Spec, student: bool) -> tuple[Bijection, ...]:
    """The blocks of the autoregressive flow II, or of its student."""
    config = spec.config
    return flows.autoregressive_blocks(
        spec.geometry.voxels,
        flows.spline(config.bins, config.bound),
        depth=config.depth,
        hidden=config.hidden,
        dim_cond=1 + spec.layers,
        inverse=student,
        precision=config.precision,
        rematerialise=config.rematerialise,
    )


def flow_log_prob(spec: Spec, params: Params, encoded: cells.Encoded) -> Array:
    """Log-density of the coordinates z and y, (...,); the teacher's where there is a student too."""
    if spec.config.variant == "coupling":
        x = jnp.concatenate([encoded.layers, encoded.cells], -1)
        return cells_flow(spec).log_prob(params.cells, x, encoded.energy)
    cond = jnp.concatenate([encoded.energy, encoded.layers], -1)
    of_layers = layers_flow(spec).log_prob(params.layers, encoded.layers, encoded.energy)
    return of_layers + cells_flow(spec).log_prob(params.cells, encoded.cells, cond)


def flow_sample(key, spec: Spec, params: Params, energy: Array, rows: Array) -> tuple[Array, Array]:
    """Coordinates z (..., l) and y (..., v) at standardised ln E (..., 1)."""
    key_layers, key_cells = jax.random.split(key)
    if spec.config.variant == "coupling":
        x = cells_flow(spec).sample(key_cells, params.cells, energy, rows=rows)
        return x[..., : spec.layers], x[..., spec.layers :]
    z = layers_flow(spec).sample(key_layers, params.layers, energy, rows=rows)
    student = spec.config.variant == "student"
    flow, own = cells_flow(spec, student), params.student if student else params.cells
    return z, flow.sample(key_cells, own, jnp.concatenate([energy, z], -1), rows=rows)


@cached
def sampler(spec: Spec) -> Callable[..., Array]:
    """The jitted (key, constants, params, incident_energy (n,), rows (n,)) -> voxels (n, v), in MeV."""
    coords = coordinates(spec)

    @jax.jit
    def sample(key, constants, params, incident_energy, rows):
        energy, _ = transforms.standardize().forward(constants.energy, jnp.log(incident_energy)[..., None])
        z, y = flow_sample(key, spec, params, energy, rows)
        return coords.decode(constants, incident_energy, z, y)

    return sample


@cached
def density(spec: Spec, draws: int) -> Callable[..., Array]:
    """The jitted (key, constants, params, incident_energy (n,), voxels (n, v), rows (n,)) -> log p (n,)."""
    coords = coordinates(spec)

    @jax.jit
    def log_prob(key, constants, params, incident_energy, voxels, rows):
        showers = Showers(incident_energy, voxels, spec.geometry)

        def one(key):
            encoded = coords.encode(dynamics.event_keys(key, rows.shape, rows), constants, showers)
            return flow_log_prob(spec, params, encoded) + encoded.log_det

        estimates = jax.lax.map(one, jax.random.split(key, draws))
        return jax.nn.logsumexp(estimates, axis=0) - jnp.log(draws)

    return log_prob


@cached
def encoder(spec: Spec) -> Callable[..., cells.Encoded]:
    """The jitted (keys (n,), constants, showers) -> cells."""
    return jax.jit(coordinates(spec).encode)
