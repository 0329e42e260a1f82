"""Observables of the layers of a calorimeter, in JAX: jitted, differentiable, of any leading shape.

A calorimeter of one two-dimensional grid counts as one layer. Axis 0 of a layer runs over its rows, axis 1 over its
columns; positions are in mm from the middle of the layer.
"""

from __future__ import annotations

import functools
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax.types import AnyArray, Geometry, InputError, Layer, PolarLayer

Cells = TypeVar("Cells", jax.Array, np.ndarray)


class LayerFeatures(NamedTuple):
    """What each of the layers l of a shower shows; positions and widths are zero in an empty layer.

    energy_mev: sum of the cells. share: of the energy in all layers. centre_mm, width_mm: mean and standard deviation
    of the cells' positions along rows and columns, weighted by energy. hits: cells above the geometry's threshold.
    largest_mev: the hottest cell.
    """

    energy_mev: Float[Array, "*batch l"]
    share: Float[Array, "*batch l"]
    centre_mm: Float[Array, "*batch l 2"]
    width_mm: Float[Array, "*batch l 2"]
    hits: Float[Array, "*batch l"]
    largest_mev: Float[Array, "*batch l"]


def layers(geometry: Geometry) -> tuple[Layer, ...]:
    """The layers front to back; a grid of unstated pitch counts in units of its cells.

    Raises InputError for a geometry that has neither layers nor two axes.
    """
    if geometry.layers:
        return geometry.layers
    if len(geometry.shape) != 2:
        raise InputError(f"geometry {geometry.name}: expected layers, or rows and columns, got shape {geometry.shape}")
    rows, columns, depth = geometry.pitch_mm if len(geometry.pitch_mm) == 3 else (1.0, 1.0, 1.0)
    return (Layer((geometry.shape[0], geometry.shape[1]), (rows, columns), depth),)


def calorimeter_layers(geometry: Geometry) -> tuple[Layer | PolarLayer, ...]:
    """The layers front to back, polar ones too; raises InputError for a geometry without layers or two axes."""
    return geometry.polar or layers(geometry)


def split(voxels: Cells, geometry: Geometry) -> tuple[Cells, ...]:
    """The grid of each layer, (..., rows, columns) or (..., alpha, r), of voxels (..., v)."""
    grids, start = [], 0
    for layer in calorimeter_layers(geometry):
        flat = voxels[..., start : start + layer.voxels]
        grids.append(flat.reshape(*voxels.shape[:-1], *layer.shape))
        start += layer.voxels
    return tuple(grids)


@functools.partial(jax.jit, static_argnames="geometry")
def layer_energies(voxels: Float[AnyArray, "*batch v"], geometry: Geometry) -> Float[Array, "*batch l"]:
    """Sum of the cells of each layer, in the unit of the cells."""
    return jnp.stack([jnp.sum(grid, (-2, -1)) for grid in split(jnp.asarray(voxels), geometry)], -1)


@functools.partial(jax.jit, static_argnames="geometry")
def layer_features(voxels: Float[AnyArray, "*batch v"], geometry: Geometry) -> LayerFeatures:
    """Energies, shares, centres, widths, hits and largest cells of all layers; voxels in MeV.

    Gradients are finite everywhere, in empty layers too.
    """
    grids = split(jnp.asarray(voxels), geometry)
    energy = layer_energies(voxels, geometry)
    moments = [_moments(grid, layer) for grid, layer in zip(grids, layers(geometry), strict=True)]
    centre, width = (jnp.stack(values, -2) for values in zip(*moments, strict=True))
    hits = [jnp.sum(grid > geometry.threshold_mev, (-2, -1)) for grid in grids]
    return LayerFeatures(
        energy_mev=energy,
        share=_ratio(energy, jnp.sum(energy, -1, keepdims=True)),
        centre_mm=centre,
        width_mm=width,
        hits=jnp.stack(hits, -1).astype(energy.dtype),
        largest_mev=jnp.stack([jnp.max(grid, (-2, -1)) for grid in grids], -1),
    )


def _moments(grid: Array, layer: Layer) -> tuple[Array, Array]:
    """Centre and width along rows and columns, (..., 2) each."""
    along = [_axis_moments(jnp.sum(grid, -1 - axis), layer.pitch_mm[axis]) for axis in (0, 1)]
    centres, widths = zip(*along, strict=True)
    return jnp.stack(centres, -1), jnp.stack(widths, -1)


def _axis_moments(profile: Array, pitch_mm: float) -> tuple[Array, Array]:
    cells = profile.shape[-1]
    position = pitch_mm * (jnp.arange(cells) - 0.5 * (cells - 1))
    energy = jnp.sum(profile, -1)
    centre = _ratio(jnp.sum(position * profile, -1), energy)
    # About the centre, not <x^2> - <x>^2, which float32 rounds to a negative number for narrow showers.
    variance = _ratio(jnp.sum(jnp.square(position - centre[..., None]) * profile, -1), energy)
    return centre, jnp.where(variance > 0, jnp.sqrt(jnp.where(variance > 0, variance, 1.0)), 0.0)


def _ratio(part: Array, whole: Array) -> Array:
    """Zero, with a zero gradient, where the whole is empty."""
    return jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1.0), 0.0)
