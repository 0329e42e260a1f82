"""What SQuIRELS is made of: its specification, its two bridges, and the jitted refinement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hepjax import bridges, devices, dynamics, nets, transforms
from hepjax.caching import cached
from hepjax.pipelines.showers import coordinates, energies
from hepjax.pipelines.squirels.config import Config
from hepjax.tags import tagged
from hepjax.types import AnyArray, Constants, Geometry, PRNGKey, Showers, State, Transform


@tagged("squirels/spec", "hepjax.pipelines.squirels_model:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """All that rebuilds the functions of a fitted state: hashable, and JSON in its checkpoint.

    core: cells that share what the others leave of the total. nodes: energies at which quantiles are tabulated.
    """

    config: Config
    geometry: Geometry
    core: tuple[int, ...]
    nodes: int

    @property
    def recalibrated(self) -> bool:
        """Whether marginals are made exact after training; z-scored cells have no normal ones to restore."""
        return self.config.recalibrate and self.config.coordinates == "quantile"


class Bridges(NamedTuple):
    """One thing for each of the two bridges: a model, its parameters, its data."""

    response: Any
    shape: Any


class Preprocessing(NamedTuple):
    """Fitted constants.

    fast, full: of each sample's coordinates. energy: mean and width of the log energy. marginals: of `recalibrate`,
    None before both bridges are trained, or where the spec is not `recalibrated`.
    """

    fast: Constants
    full: Constants
    energy: transforms.Moments
    marginals: Bridges | None = None


def known_energies(state: State) -> energies.Range:
    """Incident energies in MeV that both samples of the training have, and a little beyond.

    Normal scores tabulate them. Of z-scores mean and width of ln E are known, and it is within three widths.
    """
    if state.spec.config.coordinates == "quantile":
        ranges = [energies.beyond(sample.response.nodes) for sample in (state.constants.fast, state.constants.full)]
        return max(low for low, _ in ranges), min(high for _, high in ranges)
    mean, width = (np.asarray(moment, np.float64).item() for moment in state.constants.energy)
    return float(np.exp(mean - 3 * width)), float(np.exp(mean + 3 * width))


@cached
def shower_coordinates(spec: Spec) -> coordinates.Coordinates:
    """The coordinates in which both bridges work."""
    if spec.config.coordinates == "zscore":
        return coordinates.zscore(spec.geometry.voxels, spec.config.threshold_mev)
    return coordinates.quantile(spec.geometry.voxels, spec.core, spec.nodes)


@cached
def build(spec: Spec) -> Bridges:
    """Both models, `Bridge` or `DSB`; conditions are (energy) and those of `shape_condition`."""
    config, dim = spec.config, shower_coordinates(spec).dim
    conditions = 3 if config.method == "dsb" else 2

    def response_net():
        return nets.resnet(1, 1, config.response_width, 2, dim_cond=1, time=True, precision=config.precision)

    def shape_net():
        options = {"precision": config.precision, "rematerialise": config.rematerialise}
        if config.net == "conv":
            rows, columns = spec.geometry.shape
            return nets.conv((rows, columns), dim_cond=conditions, **options)
        return nets.resnet(dim, dim, config.width, config.blocks, dim_cond=conditions, time=True, **options)

    def bridge(net):
        if config.method == "dsb":
            return bridges.dsb(net, net, schedule=dynamics.Constant(config.steps, config.gamma))
        return bridges.matching(net, coupling=config.coupling, steps=config.steps, method="heun")

    return Bridges(bridge(response_net()), bridge(shape_net()))


def forward(spec: Spec) -> Bridges:
    """Both models in the direction from the fast to the full simulation: `transport`, and `init` of its parameters."""
    return Bridges(*(model.forward if spec.config.method == "dsb" else model for model in build(spec)))


@jax.jit
def standard_energy(constants: Preprocessing, incident_energy: AnyArray) -> Array:
    """Standardised log energy (..., 1), the first condition of both bridges. incident_energy: (...,) MeV."""
    return transforms.standardize().forward(constants.energy, coordinates.log_energy(incident_energy))[0]


def shape_condition(spec: Spec, energy: Array, full: Array, fast: Array) -> Array:
    """What the shape's bridge is told: the energy, the full response, and for DSB the fast one, as in the paper."""
    return jnp.concatenate([energy, full, fast] if spec.config.method == "dsb" else [energy, full], axis=-1)


@cached
def carrier(spec: Spec, which: str) -> Callable[..., Array]:
    """The transport of one bridge: (key, constants, params, x (..., d), cond (..., c), energy (...,) MeV, row).

    Where the spec is `recalibrated` each coordinate's law given the energy, which training leaves a little off, is made
    the standard normal one that decoding expects; what the bridge learned of correlations stays.
    """
    bridge = getattr(forward(spec), which)

    def carry(key, constants, params, x, cond, incident_energy, row):
        y = bridge.transport(key, getattr(params, which), x, cond, row)
        if constants.marginals is None:
            return y
        marginal = getattr(constants.marginals, which)
        return scores(spec).forward(marginal, y, coordinates.log_energy(incident_energy))[0]

    return carry


def scores(spec: Spec) -> Transform:
    """Normal scores given the log energy, for the recalibration."""
    return transforms.gaussianize(spec.nodes)


@cached
def refinement(spec: Spec) -> Callable[..., Array]:
    """That of one shower: (key, constants, params, incident_energy (), voxels (v,), row ()) -> voxels (v,), in MeV."""
    coords, carry_response, carry_shape = shower_coordinates(spec), carrier(spec, "response"), carrier(spec, "shape")

    def refine(key, constants, params, incident_energy, voxels, row):
        key_zeros, key_response, key_shape = jax.random.split(key, 3)
        energy = standard_energy(constants, incident_energy)
        zeros = dynamics.event_keys(key_zeros, (), row)
        response, shape = coords.encode(zeros, constants.fast, Showers(incident_energy, voxels, spec.geometry))
        refined = carry_response(key_response, constants, params, response, energy, incident_energy, row)
        cond = shape_condition(spec, energy, refined, response)
        shape = carry_shape(key_shape, constants, params, shape, cond, incident_energy, row)
        return coords.decode(constants.full, incident_energy, refined, shape)

    return refine


@cached
def refiner(spec: Spec) -> Callable[..., Array]:
    """The jitted (key, constants, params, incident_energy (n,), voxels (n, v), rows (n,)) -> voxels (n, v), in MeV."""
    return jax.jit(jax.vmap(refinement(spec), (None, None, None, 0, 0, 0)))


@cached
def encoder(spec: Spec) -> Callable[..., Bridges]:
    """The jitted (keys, constants of a sample, showers) -> its response and shape."""
    coords = shower_coordinates(spec)

    @jax.jit
    def encode(keys, constants, showers):
        return Bridges(*coords.encode(keys, constants, showers))

    return encode


@cached
def _carried(spec: Spec, which: str) -> Callable[..., Array]:
    """The jitted transport of a sample, as `carrier` says of one shower."""
    return jax.jit(jax.vmap(carrier(spec, which), (None, None, None, 0, 0, 0, 0)))


def recalibrate(key: PRNGKey, spec: Spec, constants: Preprocessing, params: Bridges, fast: Showers) -> Preprocessing:
    """Constants with the marginals of both bridges, as the fast showers of training leave them."""
    incident = fast.incident_energy
    energy, given = standard_energy(constants, incident), coordinates.log_energy(incident)
    key_zeros, key_response, key_shape = jax.random.split(key, 3)
    coords = encoder(spec)(dynamics.event_keys(key_zeros, incident.shape), constants.fast, fast)

    def carried(which, key, *events):
        fixed, size = (key, constants, params), spec.config.refine_batch
        return devices.over_events(_carried(spec, which), fixed, events, size=size)

    response = carried("response", key_response, coords.response, energy, incident)
    of_response = scores(spec).fit(response, given)
    refined, _ = jax.jit(scores(spec).forward)(of_response, response, given)
    cond = shape_condition(spec, energy, refined, coords.response)
    shape = carried("shape", key_shape, coords.shape, cond, incident)
    return constants._replace(marginals=Bridges(of_response, scores(spec).fit(shape, given)))
