"""What a calibration sees of a shower: few numbers, finite for all showers and differentiable in the cells."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax import metrics
from hepjax.types import AnyArray, Geometry

LEAST_MEV = 1e-3  # the energy of an empty shower, where its logarithm is taken
FLOOR = 0.1  # quantile of the energies of a layer's showers that is added to all of them before the logarithm


def fit_floors(voxels: Float[AnyArray, "n v"], geometry: Geometry) -> Float[np.ndarray, " l"]:
    """An energy of every layer, in MeV, below which showers need not be told apart: ln(E + floor) is finite."""
    energies = np.asarray(metrics.layer_energies(voxels, geometry), np.float64)
    return np.array([np.quantile(e[e > 0], FLOOR) if (e > 0).any() else LEAST_MEV for e in energies.T])


def heaviest(voxels: Float[AnyArray, "n v"], geometry: Geometry) -> int:
    """The layer with the most energy on average, the one whose share the others imply."""
    return int(np.argmax(np.asarray(metrics.layer_energies(voxels, geometry), np.float64).sum(0)))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def extract(
    names: tuple[str, ...], geometry: Geometry, implied: int, floors: Array, voxels: Float[Array, "*batch v"]
) -> Float[Array, "*batch d"]:
    """Features of showers, ln S first, with S the sum of all cells in MeV.

    layers: ln((E_l + floor_l) / S) of all layers but the one that the others imply; of a calorimeter of one layer, the
    same of its largest cell. shapes: ln(width + pitch) of every layer along rows and along columns, and
    ln((largest + floor_l) / (E_l + floor_l)). Everything is finite where layers are empty.
    """
    seen = metrics.layer_features(voxels, geometry)
    layers = metrics.layers(geometry)
    log_sum = jnp.log(jnp.maximum(seen.energy_mev.sum(-1, keepdims=True), LEAST_MEV))
    log_energy, log_largest = jnp.log(seen.energy_mev + floors), jnp.log(seen.largest_mev + floors)
    columns = [log_sum]
    if "layers" in names:
        others = [k for k in range(len(layers)) if k != implied]
        columns.append((log_energy[..., np.array(others)] if others else log_largest) - log_sum)
    if "shapes" in names:
        pitch = np.array([layer.pitch_mm for layer in layers])
        columns += [jnp.log(seen.width_mm[..., axis] + pitch[:, axis]) for axis in (0, 1)]
        columns.append(log_largest - log_energy)
    return jnp.concatenate(columns, axis=-1)
