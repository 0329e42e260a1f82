"""The baseline of a calibration: a net trained with the squared error on energies.

Its optimum is the mean energy of the training showers that look alike, so that it depends on how many there were of
which energy, and turns back at the edges of their range (arXiv:2404.18992, section 2).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hepjax import nets, training, transforms
from hepjax.caching import cached
from hepjax.losses import weighted_mean
from hepjax.pipelines.calibration import features
from hepjax.pipelines.showers import samples
from hepjax.tags import tagged
from hepjax.training import Config as Training
from hepjax.types import AnyArray, Geometry, InputError, Labelled, Net, Params, PRNGKey, Showers, State

TRAINING = Training(epochs=100, batch_size=256, learning_rate=1e-3, ema=0.99, epochs_per_call=10)


@tagged("calibration/regressor", "hepjax.pipelines.calibration_regressor:Spec")
@dataclasses.dataclass(frozen=True)
class Spec:
    """All that rebuilds the functions of a fitted state; implied as in `calibration_model.Spec`."""

    names: tuple[str, ...]
    hidden: tuple[int, ...]
    geometry: Geometry
    implied: int


class Preprocessing(NamedTuple):
    """floors_mev: of every layer, see `calibration_features`. inputs, energy: mean and width of features and of E."""

    floors_mev: Float[Array, " l"]
    inputs: transforms.Moments
    energy: transforms.Moments


class Regressor(NamedTuple):
    """A regression; a batch is `Labelled`.

    init: (key, batch or None) -> params. loss: (key, params, batch) -> (mean squared error, {}).
    """

    init: Callable
    loss: Callable


def fit(
    key: PRNGKey,
    showers: Showers,
    names: tuple[str, ...] = ("layers",),
    hidden: tuple[int, ...] = (64, 64),
    config: Training = TRAINING,
    *,
    weight: Float[AnyArray, " n"] | None = None,
) -> State:
    """Train a perceptron on the same features as the flows, for the energy in units of its spread.

    names: of features. weight: of every shower. Raises InputError as `calibration.fit` does.
    """
    samples.require(showers)
    spec = Spec(names, hidden, showers.geometry, features.heaviest(showers.voxels, showers.geometry))
    floors = jnp.asarray(features.fit_floors(showers.voxels, spec.geometry), float)
    x = features.extract(names, spec.geometry, spec.implied, floors, jnp.asarray(showers.voxels, float))
    energy = jnp.asarray(showers.incident_energy, float)[:, None]
    standardize = transforms.standardize()
    constants = Preprocessing(floors, standardize.fit(x, weight=weight), standardize.fit(energy, weight=weight))
    weight = None if weight is None else jnp.asarray(weight, float)
    label = standardize.forward(constants.energy, energy)[0][:, 0]
    events = Labelled(standardize.forward(constants.inputs, x)[0], label, weight=weight)
    return State(spec, constants, training.fit(key, _regressor(spec, x.shape[1]), events, config, name="mse").params)


def predict(state: State, voxels: Float[AnyArray, "*batch v"]) -> Float[Array, "*batch"]:
    """Energies of showers in MeV. Raises InputError for showers of another number of cells than the state's."""
    if jnp.shape(voxels)[-1] != state.spec.geometry.voxels:
        raise InputError(f"showers of {jnp.shape(voxels)[-1]} voxels, expected {state.spec.geometry.voxels}")
    return _predictor(state.spec)(state.constants, state.params, jnp.asarray(voxels, float))


@cached
def _net(spec: Spec, dim: int) -> Net:
    return nets.mlp(dim, 1, spec.hidden)


@cached
def _regressor(spec: Spec, dim: int) -> Regressor:
    net = _net(spec, dim)

    def loss(key, params, batch):
        del key
        return weighted_mean((net.apply(params, batch.x)[..., 0] - batch.label) ** 2, batch.weight), {}

    return Regressor(net.init, loss)


@cached
def _predictor(spec: Spec) -> Callable[[Preprocessing, Params, Array], Array]:
    @jax.jit
    def predict(constants, params, voxels):
        x = features.extract(spec.names, spec.geometry, spec.implied, constants.floors_mev, voxels)
        standardize = transforms.standardize()
        y = _net(spec, x.shape[-1]).apply(params, standardize.forward(constants.inputs, x)[0])
        return standardize.inverse(constants.energy, y)[0][..., 0]

    return predict
