"""From showers to the nearly normal coordinates of CaloFlow, and back, with every log-determinant.

A shower is the energies of its layers and, given those, its cells. The energies enter by CaloINN's ratios
(arXiv:2312.09290, eq. 2), the cells by their normal scores given the energy of their layer, without what a
quadratic form of the conditions and a Gaussian copula explain.

Two things have no density in cells: exact zeros, and the sum of a layer's cells, which is its energy. Both get one by
noise. A zero is spread over (-1, 0). The cells of a layer are multiplied by r, ln r normal of width s; a generated
layer is scaled back, which integrates r out. With k cells hit in a layer of energy E, x' = r x, and q the density of
ln r,

    p(x) = p(E) integral p(x' | E) r^k E dln r,

so that `p(E) p(x' | E) r^k E / q(ln r)` is an unbiased estimate of the density at every draw of r: of hit cells with
respect to Lebesgue's measure in MeV, of zeros and empty layers with respect to counting.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from hepjax import metrics, transforms
from hepjax.caching import cached
from hepjax.types import Constants, Geometry

LEAST_MEV = 1e-3  # below it a layer counts as empty where logarithms of its energy are conditions


class Coordinates(NamedTuple):
    """Coordinates of showers: z of the layers, y of the cells.

    fit: (keys (n,), showers) -> constants.
    encode: (keys, constants, showers) -> `Encoded`; keys, one an event, draw the noise.
    decode: (constants, incident_energy (...,) MeV, z, y) -> voxels (..., v) in MeV.
    """

    fit: Callable[..., Constants]
    encode: Callable[..., Encoded]
    decode: Callable[..., Array]


class Encoded(NamedTuple):
    """A shower's coordinates, what they are conditioned on, and log|d(z, y)/d voxels| with the noise's own terms."""

    energy: Float[Array, "*batch 1"]
    layers: Float[Array, "*batch l"]
    cells: Float[Array, "*batch v"]
    log_det: Float[Array, "*batch"]


class Fitted(NamedTuple):
    """Fitted preprocessing: of ln E, the sum over E, the layers' shares, each layer's cells, and all correlations.

    shares: None where there is one layer.
    incident_range: (2,), least and greatest incident energy in MeV.
    """

    incident_range: Float[Array, " 2"]
    energy: transforms.Moments
    response: transforms.Quantiles
    shares: transforms.Quantiles | None
    cells: tuple[transforms.Quantiles, ...]
    correlations: transforms.Correlations


@cached
def caloflow(
    geometry: Geometry, heavy: tuple[bool, ...], nodes: int, scale_noise: float, significance: float
) -> Coordinates:
    """Coordinates of a geometry.

    heavy: for each layer but the last, whether it holds more energy than those behind it; its ratio is then
    theirs. nodes: energies at which quantiles are tabulated. scale_noise: s above. significance: of `decorrelate`.
    """
    smooth, quantiles = transforms.gaussianize(nodes), transforms.gaussianize(nodes, point_mass=True)
    correlations = transforms.decorrelate(significance)
    starts = np.cumsum([layer.voxels for layer in metrics.layers(geometry)])[:-1]

    def noisy(keys, showers):
        """Energies of the layers, ratios with dequantised shares, log_det, and for each layer its dequantised cells."""
        keys = jax.vmap(lambda key: jax.random.split(key, 3), out_axes=1)(keys.reshape(-1))
        keys = keys.reshape(3, *showers.incident_energy.shape)
        energies = metrics.layer_energies(showers.voxels, geometry)
        ratios, log_det = to_ratios(energies, showers.incident_energy, heavy)
        log_r = scale_noise * _normal(keys[0], energies.shape[-1], energies.dtype)
        grids = jnp.split(showers.voxels, starts, axis=-1)
        cells = jnp.concatenate([x * jnp.exp(log_r[..., i, None]) for i, x in enumerate(grids)], -1)
        hits = jnp.stack([(x > 0).sum(-1) for x in grids], -1)
        own = hits * log_r + jnp.log(jnp.maximum(energies, LEAST_MEV)) - norm.logpdf(log_r, scale=scale_noise)
        log_det = log_det + jnp.where(energies > 0, own, 0).sum(-1)
        cells = jnp.split(transforms.dequantize(keys[2], cells), starts, axis=-1)
        ratios = jnp.concatenate([ratios[..., :1], transforms.dequantize(keys[1], ratios[..., 1:])], -1)
        return energies, ratios, cells, log_det

    def conditions(constants, incident_energy, z):
        energy, _ = transforms.standardize().forward(constants.energy, jnp.log(incident_energy)[..., None])
        return energy, jnp.concatenate([energy, z], -1)

    def layer_scores(constants, incident_energy, ratios):
        """Normal scores of all ratios given E, and their log-determinant."""
        given = jnp.log(incident_energy)[..., None]
        response, log_response = smooth.forward(constants.response, ratios[..., :1], given)
        if not heavy:
            return response, log_response
        shares, log_shares = quantiles.forward(constants.shares, ratios[..., 1:], given)
        return jnp.concatenate([response, shares], -1), log_response + log_shares

    def cell_scores(constants, energies, cells):
        """Normal scores of every cell given the energy of its layer, and their log-determinant."""
        given = _log_energy(energies)
        parts = enumerate(zip(constants.cells, cells, strict=True))
        each = [quantiles.forward(fitted, x, given[..., i, None]) for i, (fitted, x) in parts]
        return jnp.concatenate([score for score, _ in each], -1), sum(log_det for _, log_det in each)

    def fit(keys, showers):
        energies, ratios, cells, _ = jax.jit(noisy)(keys, showers)
        log_incident, given = jnp.log(showers.incident_energy)[..., None], _log_energy(energies)
        incident_range = jnp.stack([showers.incident_energy.min(), showers.incident_energy.max()])
        constants = Fitted(
            incident_range,
            transforms.standardize().fit(log_incident),
            smooth.fit(ratios[:, :1], log_incident),
            quantiles.fit(ratios[:, 1:], log_incident) if heavy else None,
            tuple(quantiles.fit(x, given[:, i, None]) for i, x in enumerate(cells)),
            None,  # type: ignore[arg-type]
        )
        z, _ = jax.jit(layer_scores)(constants, showers.incident_energy, ratios)
        score, _ = jax.jit(cell_scores)(constants, energies, cells)
        _, cond = conditions(constants, showers.incident_energy, z)
        return constants._replace(correlations=correlations.fit(score, cond))

    def encode(keys, constants, showers):
        energies, ratios, cells, log_det = noisy(keys, showers)
        z, log_ratios = layer_scores(constants, showers.incident_energy, ratios)
        energy, cond = conditions(constants, showers.incident_energy, z)
        score, log_scores = cell_scores(constants, energies, cells)
        y, log_copula = correlations.forward(constants.correlations, score, cond)
        return Encoded(energy, z, y, log_det + log_ratios + log_scores + log_copula)

    def decode(constants, incident_energy, z, y):
        given = jnp.log(incident_energy)[..., None]
        ratios, _ = smooth.inverse(constants.response, z[..., :1], given)
        if heavy:
            shares, _ = quantiles.inverse(constants.shares, z[..., 1:], given)
            ratios = jnp.concatenate([ratios, shares], -1)
        energies = from_ratios(transforms.quantize(ratios), incident_energy, heavy)
        _, cond = conditions(constants, incident_energy, z)
        score, _ = correlations.inverse(constants.correlations, y, cond)
        given = _log_energy(energies)
        layers = []
        for i, part in enumerate(jnp.split(score, starts, axis=-1)):
            cells, _ = quantiles.inverse(constants.cells[i], part, given[..., i, None])
            layers.append(_fill(cells, energies[..., i, None], geometry.threshold_mev))
        return jnp.concatenate(layers, -1)

    return Coordinates(fit, encode, decode)


def heavy_layers(energies: Float[np.ndarray, "n l"]) -> tuple[bool, ...]:
    """Which layers, but the last, hold more energy on average than all behind them."""
    mean = np.asarray(energies, np.float64).mean(0)
    behind = np.cumsum(mean[::-1])[::-1] - mean
    return tuple(bool(own > rest) for own, rest in zip(mean[:-1], behind, strict=False))


def to_ratios(
    energies: Float[Array, "*batch l"], incident_energy: Float[Array, "*batch"], heavy: tuple[bool, ...]
) -> tuple[Float[Array, "*batch l"], Float[Array, "*batch"]]:
    """CaloINN's ratios: sum E_i / E_inc, then E_i / sum_{j >= i} E_j, or its complement for `heavy` layers.

    The second value is log|d ratios / d energies|, without the factors of ratios that are exactly zero: those have a
    probability, not a density.
    """
    tails = jnp.cumsum(energies[..., ::-1], -1)[..., ::-1]
    flags = np.array(heavy, bool)
    part, whole = jnp.where(flags, tails[..., 1:], energies[..., :-1]), tails[..., :-1]
    shares = jnp.where(whole > 0, part / jnp.where(whole > 0, whole, 1), 0)
    log_det = -jnp.log(incident_energy) - jnp.where(shares > 0, jnp.log(jnp.where(whole > 0, whole, 1)), 0).sum(-1)
    return jnp.concatenate([tails[..., :1] / incident_energy[..., None], shares], -1), log_det


def from_ratios(
    ratios: Float[Array, "*batch l"], incident_energy: Float[Array, "*batch"], heavy: tuple[bool, ...]
) -> Float[Array, "*batch l"]:
    """The layers' energies of ratios; shares above one count as one."""
    shares = jnp.minimum(ratios[..., 1:], 1)
    flags = np.array(heavy, bool)
    behind, own = jnp.where(flags, shares, 1 - shares), jnp.where(flags, 1 - shares, shares)
    total = ratios[..., :1] * incident_energy[..., None]
    reached = jnp.concatenate([jnp.ones_like(total), jnp.cumprod(behind, -1)], -1)
    return total * reached * jnp.concatenate([own, jnp.ones_like(total)], -1)


def _log_energy(energies: Array) -> Array:
    return jnp.log(energies + LEAST_MEV)


def _normal(keys: Array, dim: int, dtype) -> Array:
    draws = jax.vmap(lambda key: jax.random.normal(key, (dim,), dtype))(keys.reshape(-1))
    return draws.reshape(*keys.shape, dim)


def _fill(cells: Array, energy: Array, threshold_mev: float) -> Array:
    """Dequantised cells of a layer made physical: exact zeros, none below the threshold, their sum the layer's energy.

    A layer that came out empty but has energy gives it to the cell that was nearest to a hit.
    """
    nearest = jax.nn.one_hot(jnp.argmax(cells, -1), cells.shape[-1], dtype=cells.dtype)
    hit = transforms.quantize(cells)
    for least in (0.0, threshold_mev) if threshold_mev else (0.0,):
        hit = jnp.where(hit >= least, hit, 0)
        total = hit.sum(-1, keepdims=True)
        hit = energy * jnp.where(total > 0, hit / jnp.where(total > 0, total, 1), nearest)
    return hit
