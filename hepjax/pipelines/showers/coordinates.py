"""From showers to the coordinates in which bridges work, and back: the total response and the shape.

Both kinds give a response (..., 1) and a shape (..., s) of nearly standard normal columns, and decode to physical
showers: no negative cell, exact zeros, and cells that add up to the response times the incident energy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg
from jaxtyping import Array, Float

from hepjax import transforms
from hepjax.caching import cached
from hepjax.types import AnyArray, Constants, Showers

CORE_SHARE = 0.05
LEAST_SHARE = 1e-3
LEAST_MEV = 1e-6


class Coordinates(NamedTuple):
    """Invertible coordinates of showers.

    dim: number of shape coordinates.
    fit: (keys, showers) -> constants.
    encode: (keys, constants, showers) -> (response (..., 1), shape (..., dim)); keys, one an event, spread the zeros.
    decode: (constants, incident_energy (...,) MeV, response, shape) -> voxels (..., v) in MeV.
    """

    dim: int
    fit: Callable[..., Constants]
    encode: Callable[..., tuple[Array, Array]]
    decode: Callable[..., Array]


class Fitted(NamedTuple):
    """Fitted preprocessing of a sample: of its response, its shape, and the ratios within the core."""

    response: Constants
    cells: Constants
    ratios: Constants


@jax.jit
def log_energy(incident_energy: Float[AnyArray, "*batch"]) -> Float[Array, "*batch 1"]:
    """ln of the incident energy in MeV, as a condition."""
    return jnp.log(incident_energy)[..., None]


def core_cells(showers: Showers) -> tuple[int, ...]:
    """Cells that hold at least 5 percent of the energy on average, or the hottest one alone."""
    share = np.asarray(showers.voxels, np.float64).mean(0)
    share = share / share.sum()
    return tuple(int(i) for i in np.flatnonzero(share >= min(CORE_SHARE, share.max())))


@cached
def quantile(voxels: int, core: tuple[int, ...], nodes: int) -> Coordinates:
    """Normal scores given the energy, of the response, the cells outside the core, and the core's log-ratios.

    The response is sum/E. A cell outside the core enters by its energy over E, its exact zeros as a point mass. The
    core's k cells share what those leave of the total; k - 1 orthonormal contrasts of their logarithms say how. So the
    total is exact by construction, and rounding it never moves a faint cell.
    """
    # int32: JAX 0.10 fails on indices of int64 when jax.enable_x64 comes and goes within a process.
    inside = np.array(core, np.int32)
    outside = np.setdiff1d(np.arange(voxels, dtype=np.int32), inside)
    basis = _contrasts(len(core))
    smooth = transforms.gaussianize(nodes)
    mixed = transforms.gaussianize(nodes, point_mass=True)

    def raw(keys, showers):
        energy, cells = showers.incident_energy[..., None], showers.voxels
        response = cells.sum(-1, keepdims=True) / energy
        faint = transforms.dequantize(keys, cells[..., outside] / energy)
        return response, faint, jnp.log(jnp.maximum(cells[..., inside], LEAST_MEV)) @ basis.T

    def fit(keys, showers):
        response, faint, ratios = raw(keys, showers)
        given = log_energy(showers.incident_energy)
        return Fitted(smooth.fit(response, given), mixed.fit(faint, given), smooth.fit(ratios, given))

    def encode(keys, constants, showers):
        response, faint, ratios = raw(keys, showers)
        given = log_energy(showers.incident_energy)
        response, _ = smooth.forward(constants.response, response, given)
        faint, _ = mixed.forward(constants.cells, faint, given)
        ratios, _ = smooth.forward(constants.ratios, ratios, given)
        return response, jnp.concatenate([faint, ratios], -1)

    def decode(constants, incident_energy, response, shape):
        given = log_energy(incident_energy)
        total = jnp.maximum(smooth.inverse(constants.response, response, given)[0], LEAST_SHARE)
        faint = transforms.quantize(mixed.inverse(constants.cells, shape[..., : len(outside)], given)[0])
        ratios = smooth.inverse(constants.ratios, shape[..., len(outside) :], given)[0]
        spent = faint.sum(-1, keepdims=True)
        faint = faint * jnp.minimum(1, (1 - LEAST_SHARE) * total / jnp.maximum(spent, LEAST_SHARE))
        rest = total - faint.sum(-1, keepdims=True)
        shares = rest * jax.nn.softmax(ratios @ basis)
        cells = jnp.zeros((*shape.shape[:-1], voxels), shape.dtype)
        cells = cells.at[..., outside].set(faint).at[..., inside].set(shares)
        return cells * incident_energy[..., None]

    return Coordinates(voxels - 1, fit, encode, decode)


@cached
def zscore(voxels: int, threshold_mev: float) -> Coordinates:
    """The paper's coordinates (arXiv:2308.12339): z-scores of sum/E and of every cell over the sum.

    Decoding clips negative cells, sets those below the threshold to zero and restores the total.
    """
    scale = transforms.standardize()

    def raw(showers):
        total = showers.voxels.sum(-1, keepdims=True)
        return total / showers.incident_energy[..., None], showers.voxels / jnp.maximum(total, LEAST_MEV)

    def fit(keys, showers):
        del keys
        response, shape = raw(showers)
        return Fitted(scale.fit(response), scale.fit(shape), None)

    def encode(keys, constants, showers):
        del keys
        response, shape = raw(showers)
        return scale.forward(constants.response, response)[0], scale.forward(constants.cells, shape)[0]

    def decode(constants, incident_energy, response, shape):
        total = jnp.maximum(scale.inverse(constants.response, response)[0], LEAST_SHARE) * incident_energy[..., None]
        cells = total * jnp.maximum(scale.inverse(constants.cells, shape)[0], 0)
        cells = jnp.where(cells < threshold_mev, 0, cells)
        return cells * total / jnp.maximum(cells.sum(-1, keepdims=True), LEAST_MEV)

    return Coordinates(voxels, fit, encode, decode)


def _contrasts(k: int) -> np.ndarray:
    """Orthonormal contrasts (k - 1, k); for a power of two those of equal size, which suit the square's symmetry."""
    power_of_two = k & (k - 1) == 0
    return scipy.linalg.hadamard(k)[1:] / np.sqrt(k) if power_of_two else scipy.linalg.helmert(k)
