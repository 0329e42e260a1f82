"""High-level features of calorimeter showers as the CaloChallenge defines them (arXiv:2410.21611, section 4).

In JAX: jitted, differentiable where a layer has energy, of any leading shape. For many showers `batched_features` takes
an iterator of chunks and computes in float64, so that its memory is that of a chunk and of the features.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax.metrics.layers import calorimeter_layers
from hepjax.types import AnyArray, Geometry, Layer, PolarLayer, Showers

TINY = 1e-16
SMALLEST_MEV = 1e-8
UNIT_MM = 100.0
SHOWERS_AT_ONCE = 32


class Features(NamedTuple):
    """High-level features of showers in layers l; NumPy or JAX arrays.

    incident_energy, total: (...,) MeV. energy: (..., l) MeV. sparsity: (..., l), the fraction of voxels without energy.
    centre_*, width_*: (..., l) mean and standard deviation of the voxels' positions weighted by energy, mm; zero in an
    empty layer. eta = r cos(alpha), phi = r sin(alpha); of layers in rows and columns, along columns and rows.
    """

    incident_energy: Float[AnyArray, "*batch"]
    total: Float[AnyArray, "*batch"]
    energy: Float[AnyArray, "*batch l"]
    sparsity: Float[AnyArray, "*batch l"]
    centre_eta: Float[AnyArray, "*batch l"]
    centre_phi: Float[AnyArray, "*batch l"]
    centre_r: Float[AnyArray, "*batch l"]
    width_eta: Float[AnyArray, "*batch l"]
    width_phi: Float[AnyArray, "*batch l"]
    width_r: Float[AnyArray, "*batch l"]


def angular_layers(geometry: Geometry) -> tuple[int, ...]:
    """Indices of the layers that resolve eta and phi: all but those of whole rings."""
    numbered = enumerate(calorimeter_layers(geometry))
    return tuple(k for k, layer in numbered if not isinstance(layer, PolarLayer) or layer.alpha_bins > 1)


def centres(layer: Layer | PolarLayer) -> Float[np.ndarray, "3 v"]:
    """Positions (eta, phi, r) of a layer's voxels in mm, in their order in memory.

    Rings count at the middle of their edges, bins of alpha at the middle of theirs.

    >>> centres(PolarLayer((0.0, 2.0, 6.0), alpha_bins=1, number=0))[2]
    array([1., 4.])
    """
    if isinstance(layer, PolarLayer):
        edges, angles = np.array(layer.r_edges_mm, float), np.linspace(-np.pi, np.pi, layer.alpha_bins + 1)
        alpha, r = np.meshgrid(0.5 * (angles[1:] + angles[:-1]), 0.5 * (edges[1:] + edges[:-1]), indexing="ij")
        return np.stack([r * np.cos(alpha), r * np.sin(alpha), r]).reshape(3, -1)
    axes = [pitch * (np.arange(n) - 0.5 * (n - 1)) for n, pitch in zip(layer.shape, layer.pitch_mm, strict=True)]
    phi, eta = np.meshgrid(*axes, indexing="ij")
    return np.stack([eta, phi, np.hypot(eta, phi)]).reshape(3, -1)


def features(showers: Showers, dtype: jnp.dtype | None = None) -> Features:
    """High-level features of showers (...,) in MeV, jitted; by default in the precision of the voxels.

    A width is sqrt(<x^2> - <x>^2): in float32 those below a thousandth of the centre are lost, in float64 not.
    """
    return _features(showers.incident_energy, showers.voxels, showers.geometry, dtype)


def batched_features(chunks: Iterable[Showers]) -> Features:
    """Features of all showers of an iterator in float64 NumPy arrays; chunks of one size compile once."""
    with jax.enable_x64(True):
        parts = [jax.tree.map(np.asarray, features(chunk, jnp.dtype("float64"))) for chunk in chunks]
    return Features(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def feature_vector(features: Features, geometry: Geometry) -> Float[np.ndarray, "n d"]:
    """What the classifier `high`, FPD and KPD see: 30 (photons), 46 (pions) or 362 (sets 2, 3) numbers a shower.

    In order: log10 E_inc, log10(E_layer + 1e-8), centres in eta and phi, widths in eta and phi, log10(E_tot + 1e-8),
    sparsities, centres and widths in r; energies in MeV, lengths in units of 100 mm; eta and phi of the layers that
    resolve them.
    """
    f, angular = features, list(angular_layers(geometry))
    columns = [
        np.log10(f.incident_energy)[:, None],
        np.log10(f.energy + SMALLEST_MEV),
        *(x[:, angular] / UNIT_MM for x in (f.centre_eta, f.centre_phi, f.width_eta, f.width_phi)),
        np.log10(f.total + SMALLEST_MEV)[:, None],
        f.sparsity,
        f.centre_r / UNIT_MM,
        f.width_r / UNIT_MM,
    ]
    return np.concatenate(columns, axis=1)


@functools.partial(jax.jit, static_argnames=("geometry", "dtype"))
def _features(incident_energy: Array, voxels: Array, geometry: Geometry, dtype: jnp.dtype | None) -> Features:
    voxels, batch = jnp.asarray(voxels), jnp.shape(voxels)[:-1]
    # A few showers at a time stay in the processor's cache, which is ten times faster than whole chunks.
    of_one = functools.partial(_layer_features, geometry=geometry, dtype=dtype or voxels.dtype)
    columns = jax.lax.map(of_one, voxels.reshape(-1, geometry.voxels), batch_size=SHOWERS_AT_ONCE)
    energy, *others = (x.reshape(*batch, -1) for x in columns)
    return Features(jnp.asarray(incident_energy, energy.dtype), jnp.sum(energy, -1), energy, *others)


def _layer_features(voxels: Array, geometry: Geometry, dtype: jnp.dtype) -> tuple[Array, ...]:
    """Energy, sparsity, centres and widths (l,) of one shower (v,)."""
    parts = [_sums(grid.astype(dtype), position) for grid, position in _equal_layers(voxels, geometry)]
    energy, sparsity, first, second = (jnp.concatenate(part) for part in zip(*parts, strict=True))
    centre = first / (energy + TINY)[:, None]
    variance = second / (energy + TINY)[:, None] - jnp.square(centre)
    filled = variance > 0
    width = jnp.where(filled, jnp.sqrt(jnp.where(filled, variance, 1.0)), 0.0)
    return energy, sparsity, *centre.T, *width.T


def _equal_layers(voxels: Array, geometry: Geometry) -> Iterator[tuple[Array, np.ndarray]]:
    """Voxels (layers, v) of each run of equal layers, which one matrix product takes together, and their centres."""
    start = 0
    for _, run in itertools.groupby(calorimeter_layers(geometry), key=_grid):
        run = list(run)
        size = len(run) * run[0].voxels
        yield voxels[start : start + size].reshape(len(run), -1), centres(run[0])
        start += size


def _grid(layer: Layer | PolarLayer) -> tuple:
    return (layer.shape, layer.r_edges_mm if isinstance(layer, PolarLayer) else layer.pitch_mm)


def _sums(grid: Array, position: np.ndarray) -> tuple[Array, Array, Array, Array]:
    """Energy and sparsity (layers,), sums of x E and of x^2 E (layers, 3)."""
    weights = np.concatenate([np.ones((1, position.shape[1])), position, np.square(position)])
    sums = grid @ jnp.asarray(weights.T, grid.dtype)
    return sums[:, 0], 1 - jnp.mean(grid > 0, -1, dtype=grid.dtype), sums[:, 1:4], sums[:, 4:7]
