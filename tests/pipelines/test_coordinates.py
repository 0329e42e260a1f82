"""Coordinates of showers: there and back, and physical showers from whatever normal numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.data import geometry
from hepjax.pipelines.showers import coordinates
from hepjax.types import Showers

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
THRESHOLD = 0.1
BOTH = pytest.mark.parametrize("kind", ["quantile", "zscore"])


@pytest.fixture(scope="module")
def fitted(samples):
    """Compiled coordinates with their constants, by kind, and the 200 showers they were fitted to."""
    showers = jax.tree.map(jnp.asarray, samples[1])
    keys = jax.random.split(KEY, len(showers))
    kinds = {
        "quantile": coordinates.quantile(16, coordinates.core_cells(showers), 2),
        "zscore": coordinates.zscore(16, THRESHOLD),
    }

    @functools.cache
    def fit(kind):
        coords = kinds[kind]
        compiled = coords._replace(encode=jax.jit(coords.encode), decode=jax.jit(coords.decode))
        return compiled, coords.fit(keys, showers), showers, keys

    return fit


@BOTH
def test_showers_come_back(fitted, kind):
    """Relative to the incident energy, to a few float32 roundings of the tables; empty cells exactly."""
    coords, constants, showers, keys = fitted(kind)
    response, shape = coords.encode(keys, constants, showers)
    assert response.shape == (200, 1) and shape.shape == (200, coords.dim)
    voxels = coords.decode(constants, showers.incident_energy, response, shape)
    np.testing.assert_array_equal(voxels == 0, showers.voxels == 0)
    energy = showers.incident_energy[:, None]
    np.testing.assert_allclose(voxels / energy, showers.voxels / energy, atol=2e-5)


@BOTH
def test_coordinates_are_nearly_standard(fitted, kind):
    """Means within 5 errors of 200 events; widths too (that of a skew column, in the paper's kind, is 1 by fit)."""
    coords, constants, showers, keys = fitted(kind)
    for part in coords.encode(keys, constants, showers):
        assert np.abs(part.mean(0)).max() < 5 / np.sqrt(200)
        assert np.abs(part.std(0) - 1).max() < 5 / np.sqrt(400)


@BOTH
@pytest.mark.parametrize("scale", [1.0, 10.0], ids=["typical", "far off"])
def test_any_numbers_decode_to_physical_showers(fitted, kind, scale):
    coords, constants, showers, _ = fitted(kind)
    key_response, key_shape = jax.random.split(KEY)
    response = scale * jax.random.normal(key_response, (200, 1))
    shape = scale * jax.random.normal(key_shape, (200, coords.dim))
    voxels = coords.decode(constants, showers.incident_energy, response, shape)
    assert np.isfinite(voxels).all() and (voxels >= 0).all()
    assert (voxels == 0).any()
    filled = voxels[voxels > 0] / 1e4
    assert filled.min() > 0


@BOTH
def test_cells_add_up_to_the_response_whatever_the_shape(fitted, kind):
    """Exactly, up to the rounding of a float32 sum of 16 cells."""
    coords, constants, showers, keys = fitted(kind)
    response, shape = coords.encode(keys, constants, showers)
    voxels = coords.decode(constants, showers.incident_energy, response, jnp.roll(shape, 1, axis=0) - 0.5)
    # Of the paper's kind the total enters by its z-score, a few roundings of 1.
    np.testing.assert_allclose(voxels.sum(-1), showers.voxels.sum(-1), rtol=3e-6)
    assert not np.allclose(voxels, showers.voxels, rtol=0.01)


@BOTH
def test_one_event_is_a_row_of_the_sample(fitted, kind):
    coords, constants, showers, keys = fitted(kind)
    response, shape = coords.encode(keys, constants, showers)
    one_response, one_shape = coords.encode(keys[3], constants, showers[3])
    np.testing.assert_allclose(one_response, response[3], atol=1e-4)
    np.testing.assert_allclose(one_shape, shape[3], atol=1e-4)


@BOTH
def test_a_shower_without_energy_has_finite_coordinates_and_gradients(fitted, kind):
    coords, constants, showers, keys = fitted(kind)
    empty = Showers(showers.incident_energy, jnp.zeros_like(showers.voxels), showers.geometry)

    @jax.jit
    @jax.value_and_grad
    def back(voxels):
        coordinates = coords.encode(keys, constants, Showers(empty.incident_energy, voxels, empty.geometry))
        return coords.decode(constants, empty.incident_energy, *coordinates).sum()

    value, gradient = back(empty.voxels)
    assert np.isfinite(value) and np.isfinite(gradient).all()


def test_zscored_cells_below_the_threshold_are_empty():
    """Cells of 0.05, 0.2 and 99.75 MeV: the first falls, the others take over its energy."""
    coords = coordinates.zscore(3, THRESHOLD)
    voxels = jnp.array([[0.05, 0.2, 99.75], [10.0, 20.0, 70.0]])
    showers = Showers(jnp.full(2, 100.0), voxels, geometry.named("crystals_1x3"))
    constants = coords.fit(None, showers)
    decoded = coords.decode(constants, showers.incident_energy, *coords.encode(None, constants, showers))
    np.testing.assert_allclose(decoded[0], np.array([0, 0.2, 99.75]) * 100 / 99.95, atol=2e-4)
    np.testing.assert_allclose(decoded[1], voxels[1], rtol=1e-5)
    assert decoded[0, 0] == 0


def test_contrasts_are_orthonormal_and_see_no_common_factor():
    for k in range(1, 6):
        basis = coordinates._contrasts(k)
        assert basis.shape == (k - 1, k)
        np.testing.assert_allclose(basis @ basis.T, np.eye(k - 1), atol=1e-12)
        np.testing.assert_allclose(basis.sum(1), 0, atol=1e-12)


def test_the_core_holds_cells_of_five_percent_or_the_hottest():
    def core(*means):
        return coordinates.core_cells(
            Showers(np.ones(1), np.array([means]), geometry.named(f"crystals_1x{len(means)}"))
        )

    assert core(4, 60, 6, 30) == (1, 2, 3)
    assert core(*[1] * 25, 1.1) == (25,)


def test_a_core_of_one_cell(samples):
    """It takes what the others leave, and has no ratios."""
    showers = jax.tree.map(jnp.asarray, samples[1])[:100]
    coords = coordinates.quantile(16, (5,), 2)
    keys = jax.random.split(KEY, 100)
    constants = coords.fit(keys, showers)
    # One program each, instead of every operation on its own.
    encoded = jax.jit(coords.encode)(keys, constants, showers)
    voxels = jax.jit(coords.decode)(constants, showers.incident_energy, *encoded)
    energy = showers.incident_energy[:, None]
    np.testing.assert_allclose(voxels / energy, showers.voxels / energy, atol=2e-5)
