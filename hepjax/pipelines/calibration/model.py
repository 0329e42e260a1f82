"""What a calibration is made of: its specification, its likelihood, and the jitted search for the maximum."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hepjax import flows, inference, transforms
from hepjax.caching import cached
from hepjax.pipelines.calibration import features
from hepjax.pipelines.calibration.config import Config
from hepjax.pipelines.showers import coordinates
from hepjax.tags import tagged
from hepjax.types import AnyArray, Constants, Events, Flow, Geometry, Params, Showers, Transform


@tagged("calibration/spec", "hepjax.pipelines.calibration_model:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """All that rebuilds the functions of a fitted state: hashable, and JSON in its checkpoint.

    implied: the layer whose share of the energy is no feature, since the others imply it.
    """

    config: Config
    geometry: Geometry
    implied: int


class Preprocessing(NamedTuple):
    """Fitted constants.

    floors_mev: of every layer, see `calibration_features`. trend: mean and width of every feature given ln E. energy:
    mean and width of ln E, the flow's condition. start: ln E given ln S. range: smallest and largest ln E of training.
    """

    floors_mev: Float[Array, " l"]
    trend: transforms.Trend
    energy: transforms.Moments
    start: transforms.Trend
    range: Float[Array, " 2"]


class Calibrated(NamedTuple):
    """Energies of showers; all (...,).

    energy_mev: the most likely energy. sigma_low_mev, sigma_high_mev: from there down and up to where
    -2 ln(L / L_max) = 1, or to the end of the search. nll: -ln p(features | energy) there, in nats; the reference
    measure is Lebesgue's of the features. converged: whether there is a maximum, with both ends of its interval, within
    the energies searched. in_range: whether the energy is one of those of training, and no extrapolation. Both are
    False for a shower whose sum of cells is that of an energy not searched, or whose likelihood is not finite.
    """

    energy_mev: Float[Array, "*batch"]
    sigma_low_mev: Float[Array, "*batch"]
    sigma_high_mev: Float[Array, "*batch"]
    nll: Float[Array, "*batch"]
    converged: Bool[Array, "*batch"]
    in_range: Bool[Array, "*batch"]


@cached
def build(spec: Spec) -> Flow:
    """One member: the density of standardised features given the standardised ln E, twice differentiable in both.

    Its loss is that of features with noise of width `smear`: an empty layer is a spike in its feature, whose place is
    known exactly and tells nothing of the energy, and a density that followed it would.
    """
    dim, config = dimensions(spec), spec.config
    scalar = flows.mixture(config.components)
    layer = flows.autoregressive(dim, scalar, depth=1, hidden=config.hidden, dim_cond=1, normalize=False)
    flow = flows.transformed(layer, flows.logistic(dim))

    def loss(key, params, batch):
        noise = config.smear * jax.random.normal(key, batch.x.shape, batch.x.dtype)
        return flow.loss(key, params, batch._replace(x=batch.x + noise))

    return flow._replace(loss=loss)


def dimensions(spec: Spec) -> int:
    """Number of features."""
    layers = len(spec.geometry.layers) or 1
    named = {"layers": max(layers - 1, 1), "shapes": 3 * layers}
    return 1 + sum(named[name] for name in spec.config.features)


def trend(spec: Spec) -> Transform:
    """Features made standard given ln E."""
    return transforms.trend(spec.config.degree)


def observe(spec: Spec, constants: Preprocessing, voxels: Float[Array, "*batch v"]) -> Float[Array, "*batch d"]:
    """Features of showers, ln S first."""
    return features.extract(spec.config.features, spec.geometry, spec.implied, constants.floors_mev, voxels)


def fit_constants(spec: Spec, showers: Showers, weight: AnyArray | None) -> Preprocessing:
    """Preprocessing of a sample with weights (n,)."""
    voxels, energy = jnp.asarray(showers.voxels, float), coordinates.log_energy(showers.incident_energy)
    (floors,) = transforms.floats(features.fit_floors(voxels, spec.geometry))
    x = features.extract(spec.config.features, spec.geometry, spec.implied, floors, voxels)
    return Preprocessing(
        floors,
        trend(spec).fit(x, energy, weight),
        transforms.standardize().fit(energy, weight=weight),
        transforms.trend(1).fit(energy, x[:, :1], weight),
        jnp.stack([energy.min(), energy.max()]),
    )


@functools.partial(jax.jit, static_argnums=0)
def table(spec: Spec, constants: Preprocessing, showers: Showers, weight: Array | None) -> Events:
    """What the members are trained on: standardised features, the standardised ln E, weights."""
    energy = coordinates.log_energy(showers.incident_energy)
    x = observe(spec, constants, jnp.asarray(showers.voxels, float))
    standard, _ = trend(spec).forward(constants.trend, x, energy)
    return Events(standard, transforms.standardize().forward(constants.energy, energy)[0], weight)


def log_likelihood(
    spec: Spec,
    constants: Preprocessing,
    params: Params,
    x: Float[Array, "*#batch d"],
    energy: Float[Array, "*#batch 1"],
) -> Array:
    """ln p(x | E) of features, in nats: the logarithm of the members' mean density. energy: ln E in MeV.

    Features are standardised given E, so that the width of theirs, a function of E, enters.
    """
    standard, log_det = trend(spec).forward(constants.trend, x, energy)
    cond, _ = transforms.standardize().forward(constants.energy, energy)
    log_probs = jax.vmap(build(spec).log_prob, (0, None, None))(params, standard, cond)
    return jax.nn.logsumexp(log_probs, axis=0) - jnp.log(len(log_probs)) + log_det


@cached
def likelihood(spec: Spec) -> Callable[[Preprocessing, Params, Array, Array], Array]:
    """The jitted (constants, params, voxels (n, v), energy (n, k) MeV) -> ln p(features | energy) (n, k)."""

    @jax.jit
    def scan(constants, params, voxels, energy):
        x = observe(spec, constants, voxels)[:, None]
        return log_likelihood(spec, constants, params, x, jnp.log(energy)[..., None])

    return scan


def calibrated(spec: Spec, constants: Preprocessing, params: Params, voxels: Float[Array, "*batch v"]) -> Calibrated:
    """Energies of showers, cells in MeV: all searched at once."""

    @jax.jit  # traced once, not at every place of the searches
    def log_prob(energy, x):
        return log_likelihood(spec, constants, params, x, energy)

    x = observe(spec, constants, voxels)
    start, _ = transforms.trend(1).inverse(constants.start, jnp.zeros_like(x[..., :1]), x[..., :1])
    reach = jnp.log(spec.config.reach)
    bounds = constants.range[0] - reach, constants.range[1] + reach
    # Where the search starts is no function of the data.
    maximum = inference.maximize(log_prob, jax.lax.stop_gradient(start), bounds, x)
    ends = inference.intervals(log_prob, maximum, bounds, x)
    theta = maximum.theta[..., 0]
    energy = jnp.exp(theta)
    closed = ~(maximum.at_bound | ends.low_open | ends.high_open)[..., 0]
    # Far from the training showers a flow's tails may well have a maximum somewhere.
    known = ((bounds[0] <= start) & (start <= bounds[1]))[..., 0] & jnp.isfinite(maximum.log_prob)
    return Calibrated(
        energy,
        energy - jnp.exp(ends.low[..., 0]),
        jnp.exp(ends.high[..., 0]) - energy,
        -maximum.log_prob,
        maximum.converged & ends.converged[..., 0] & closed & known,
        (constants.range[0] <= theta) & (theta <= constants.range[1]) & known,
    )


@cached
def calibrator(spec: Spec) -> Callable[[Preprocessing, Params, Array, Array], Calibrated]:
    """The jitted (constants, params, voxels (n, v) MeV, rows (n,)) -> `Calibrated` (n,); nothing depends on rows."""

    @jax.jit
    def calibrate(constants, params, voxels, rows):
        del rows
        return calibrated(spec, constants, params, voxels)

    return calibrate


def untrained(spec: Spec) -> tuple[Constants, Params]:
    """Constants and parameters of the right shapes, for a checkpoint to fill."""
    layers, dim, width = len(spec.geometry.layers) or 1, dimensions(spec), spec.config.degree + 1
    shape = jnp.zeros
    of = transforms.Trend
    constants = Preprocessing(
        shape(layers),
        of(shape(()), shape(()), shape((width, dim)), shape((width, dim))),
        transforms.Moments(shape(1), shape(1)),
        of(shape(()), shape(()), shape((2, 1)), shape((2, 1))),
        shape(2),
    )
    keys = jax.random.split(jax.random.key(0), spec.config.members)
    return constants, jax.jit(jax.vmap(build(spec).init))(keys)
