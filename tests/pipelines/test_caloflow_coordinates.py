"""Coordinates of showers in layers: ratios, round trips, and a density in MeV."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import dynamics, metrics
from hepjax.pipelines.caloflow import coordinates
from hepjax.types import Geometry, Layer, Showers

LAYERS = tuple(Layer(shape, (1.0, 1.0), 1.0) for shape in ((1, 4), (2, 3), (1, 2)))
pytestmark = pytest.mark.usefixtures("fast_compilation")

GEOMETRY = Geometry("three layers", (12,), layers=LAYERS)
HEAVY = (False, True)


def showers(n=400, seed=0):
    """Showers that leave the first layer sometimes and the last one often empty; many cells are exact zeros."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1e3, 5e3, n)
    cells = rng.gamma(2.0, size=(n, 12)) * (rng.uniform(size=(n, 12)) < 0.7)
    cells[:, 4] += 0.5
    cells[:, :4] *= (rng.uniform(size=n) < 0.95)[:, None]
    cells[:, 10:] *= 0.1 * (rng.uniform(size=n) < 0.6)[:, None]
    cells *= (0.2 * energy / cells.sum(1) * rng.normal(1, 0.05, n))[:, None]
    return Showers(jnp.asarray(energy, float), jnp.asarray(cells, float), GEOMETRY)


@pytest.fixture(scope="module")
def fitted():
    sample = showers()
    coords = coordinates.caloflow(GEOMETRY, HEAVY, 2, 0.05, 5.0)
    keys = dynamics.event_keys(jax.random.key(0), (len(sample),))
    return coords, coords.fit(keys, sample), sample, keys


@pytest.mark.parametrize("heavy", [(False, True), (True, False), (True, True)], ids=str)
def test_ratios_come_back_and_carry_their_jacobian(heavy):
    energies, incident = jnp.array([3.0, 8.0, 2.0]), jnp.array(50.0)
    ratios, log_det = coordinates.to_ratios(energies, incident, heavy)
    np.testing.assert_allclose(coordinates.from_ratios(ratios, incident, heavy), energies, rtol=1e-5)
    jacobian = jax.jacfwd(lambda e: coordinates.to_ratios(e, incident, heavy)[0])(energies)
    np.testing.assert_allclose(log_det, jnp.linalg.slogdet(jacobian)[1], rtol=1e-5)


def test_the_jacobian_of_an_empty_last_layer_is_that_of_the_others():
    energies, incident = jnp.array([3.0, 8.0]), jnp.array(50.0)
    full = jnp.array([3.0, 8.0, 0.0])
    _, log_det = coordinates.to_ratios(full, incident, HEAVY)
    jacobian = jax.jacfwd(lambda e: coordinates.to_ratios(e, incident, (False,))[0])(energies)
    np.testing.assert_allclose(log_det, jnp.linalg.slogdet(jacobian)[1], rtol=1e-5)


def test_heavy_layers_hold_more_than_those_behind():
    assert coordinates.heavy_layers(np.array([[1.0, 5.0, 2.0], [1.0, 7.0, 0.0]])) == (False, True)


def test_decoding_returns_the_shower(fitted):
    """The noise of the layers' sums is integrated out by scaling, that of the zeros by clipping."""
    coords, constants, sample, keys = fitted
    encoded = jax.jit(coords.encode)(keys, constants, sample)
    voxels = jax.jit(coords.decode)(constants, sample.incident_energy, encoded.layers, encoded.cells)
    np.testing.assert_array_equal(voxels > 0, sample.voxels > 0)
    np.testing.assert_allclose(voxels, sample.voxels, rtol=1e-2, atol=1e-3)


def test_any_coordinates_decode_to_a_physical_shower(fitted):
    coords, constants, sample, _ = fitted
    rng = np.random.default_rng(1)
    z, y = 4 * rng.normal(size=(400, 3)), 4 * rng.normal(size=(400, 12))
    voxels = jax.jit(coords.decode)(constants, sample.incident_energy, jnp.asarray(z, float), jnp.asarray(y, float))
    assert np.isfinite(voxels).all() and (voxels >= 0).all()
    assert (metrics.layer_energies(voxels, GEOMETRY).sum(-1) > 0).all()


def test_the_density_of_one_layer_of_two_cells_integrates_to_one():
    """With the flow the identity, the estimate averaged over noise is the density of what decoding makes of normals.

    It is integrated over a grid of cells in MeV, hit and not, and compared with shares of generated showers.
    """
    geometry = Geometry("two cells", (2,), layers=(Layer((1, 2), (1.0, 1.0), 1.0),))
    rng = np.random.default_rng(2)
    energy = np.full(2000, 1000.0) * rng.uniform(0.999, 1.001, 2000)
    cells = np.stack([rng.gamma(8.0, 5.0, 2000), rng.gamma(4.0, 5.0, 2000) * (rng.uniform(size=2000) < 0.8)], 1)
    sample = Showers(jnp.asarray(energy, float), jnp.asarray(cells, float), geometry)
    coords = coordinates.caloflow(geometry, (), 2, 0.5, 5.0)
    constants = coords.fit(dynamics.event_keys(jax.random.key(0), (2000,)), sample)

    @jax.jit
    def density(cells):
        shower = Showers(jnp.full(cells.shape[:-1], 1000.0), cells, geometry)

        def one(key):
            encoded = coords.encode(dynamics.event_keys(key, cells.shape[:-1]), constants, shower)
            x = jnp.concatenate([encoded.layers, encoded.cells], -1)
            return jnp.exp(jax.scipy.stats.norm.logpdf(x).sum(-1) + encoded.log_det)

        return jax.lax.map(one, jax.random.split(jax.random.key(1), 32)).mean(0)

    draws = jax.random.normal(jax.random.key(3), (20_000, 3))
    made = np.asarray(jax.jit(coords.decode)(constants, jnp.full(20_000, 1000.0), draws[:, :1], draws[:, 1:]))
    # Tabulated quantiles make a density of steps: points at random, not on a grid that beats with them.
    edge = 180.0
    points = edge * np.random.default_rng(4).uniform(size=(8000, 2))
    both = density(jnp.asarray(points, float)).mean() * edge**2
    first_alone = density(jnp.asarray(points * [1, 0], float)[:4000]).mean() * edge
    # Three binomial errors of 20,000 showers, and three of the mean over points, whose densities spread by 1.5 means.
    inside = ((made > 0) & (made < edge)).all(1).mean()
    assert abs(both - inside) < 3 * (inside * np.sqrt(1.5**2 / 8000) + np.sqrt(0.25 / 20_000)) + 0.01
    alone = ((made[:, 0] > 0) & (made[:, 1] == 0)).mean()
    assert abs(first_alone - alone) < 3 * (alone * np.sqrt(1.5**2 / 4000) + np.sqrt(0.16 / 20_000))
