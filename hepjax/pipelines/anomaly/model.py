"""What an anomaly search is made of: its specification, its constants, and the likelihoods of showers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hepjax import dynamics, transforms
from hepjax.caching import cached
from hepjax.pipelines.anomaly.config import Config
from hepjax.pipelines.calibration import model as calibration_model
from hepjax.pipelines.caloflow import coordinates as caloflow_coordinates
from hepjax.pipelines.caloflow import model as caloflow_model
from hepjax.tags import tagged
from hepjax.types import Params as AnyParams
from hepjax.types import Showers, State, Transform


@tagged("anomaly/spec", "hepjax.pipelines.anomaly_model:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """All that rebuilds the functions of a fitted state: hashable, and JSON in its checkpoint."""

    config: Config
    showers: caloflow_model.Spec
    energy: calibration_model.Spec


class Trends(NamedTuple):
    """Mean and width of the background's log-likelihoods (columns: `quantities`), for each way to know the energy."""

    estimated: transforms.Trend
    maximised: transforms.Trend
    known: transforms.Trend


class Constants(NamedTuple):
    """Fitted constants: of CaloFlow, of the calibration, and what is usual."""

    showers: caloflow_coordinates.Fitted
    energy: calibration_model.Preprocessing
    trends: Trends


class Params(NamedTuple):
    """Parameters of CaloFlow and of the calibration."""

    showers: caloflow_model.Params
    energy: AnyParams


class Scored(NamedTuple):
    """Scores of showers; all (...,).

    score: higher is more anomalous. log_prob: the log-likelihood behind it, in nats. energy_mev: the energy at which it
    was taken. converged: whether the calibration found a maximum with both ends of its interval; True of energies that
    are known. in_range: whether the energy is one of the background's and no extrapolation, by the calibration as well,
    and all numbers are finite.
    """

    score: Float[Array, "*batch"]
    log_prob: Float[Array, "*batch"]
    energy_mev: Float[Array, "*batch"]
    converged: Bool[Array, "*batch"]
    in_range: Bool[Array, "*batch"]


def part(state: State, name: str) -> State:
    """The state of CaloFlow (`showers`) or of the calibration (`energy`)."""
    return State(*(getattr(whole, name) for whole in state))


def quantities(spec: Spec) -> tuple[str, ...]:
    """What of a shower has a likelihood: the parts of a coupling flow cannot be told apart."""
    whole = ("density", "coordinates")
    return whole if spec.config.showers.variant == "coupling" else (*whole, "layers", "cells")


def trend(spec: Spec) -> Transform:
    """Log-likelihoods made standard given ln E."""
    return transforms.trend(spec.config.degree)


@cached
def likelihoods(spec: Spec) -> Callable[..., Array]:
    """The jitted (key, constants, params of CaloFlow, energy (n,) MeV, voxels (n, v) MeV, rows (n,)) -> (n, q) nats.

    Columns are those of `quantities`, each the mean of its logarithm over `draws` of the dequantisation's noise. That
    of the density is a lower bound on its logarithm, and varies less than the logarithm of the mean density.
    """
    flow, coords, names = spec.showers, caloflow_model.coordinates(spec.showers), quantities(spec)

    def one(constants, params, showers, keys):
        encoded = coords.encode(keys, constants, showers)
        total = caloflow_model.flow_log_prob(flow, params, encoded)
        columns = {"density": total + encoded.log_det, "coordinates": total}
        if "layers" in names:
            log_prob = caloflow_model.layers_flow(flow).log_prob
            columns["layers"] = log_prob(params.layers, encoded.layers, encoded.energy)
            columns["cells"] = total - columns["layers"]
        return jnp.stack([columns[name] for name in names], -1)

    @jax.jit
    def log_probs(key, constants, params, energy, voxels, rows):
        showers = Showers(energy, voxels, flow.geometry)

        def draw(key):
            return one(constants, params, showers, dynamics.event_keys(key, rows.shape, rows))

        return jax.lax.map(draw, jax.random.split(key, spec.config.draws)).mean(0)

    return log_probs


def vertex(x: Float[Array, "*batch k"], y: Float[Array, "*batch k"]) -> Float[Array, "*batch"]:
    """Where the parabola through the largest y, on an even grid x, and its neighbours is largest, within these."""
    middle = jnp.clip(jnp.argmax(y, -1, keepdims=True), 1, y.shape[-1] - 2)
    below, top, above = (jnp.take_along_axis(y, middle + step, -1) for step in (-1, 0, 1))
    bend, rise = below - 2 * top + above, (above - below) / 2
    shift = jnp.where(bend < 0, -rise / jnp.where(bend < 0, bend, -1), jnp.sign(rise))
    step = x[..., 1:2] - x[..., :1]
    return (jnp.take_along_axis(x, middle, -1) + jnp.clip(shift, -1, 1) * step)[..., 0]
