"""High-level features against plain NumPy written from arXiv:2410.21611, section 4; shapes, chunks, gradients."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.data.geometry import named
from hepjax.metrics import calorimeter
from hepjax.types import Geometry, InputError, PolarLayer, Showers

SHOWERS = {
    "crystals_10x10": 10_000,
    "lar_3layers": 10_000,
    "calochallenge_1_photons": 10_000,
    "calochallenge_1_pions": 10_000,
    "calochallenge_2": 10_000,
    "calochallenge_3": 200,
}
"""How many showers of each geometry; more of the largest is a matter of time only."""
WIDTHS = {"calochallenge_1_photons": 30, "calochallenge_1_pions": 46, "calochallenge_2": 362, "calochallenge_3": 362}


def positions(geometry):
    """Of each layer its voxels' eta, phi, r in mm, one by one."""
    if geometry.polar:
        for layer in geometry.polar:
            edges, n = layer.r_edges_mm, layer.alpha_bins
            alpha = [-np.pi + 2 * np.pi * (k + 0.5) / n for k in range(n)]
            middle = [(low + high) / 2 for low, high in itertools.pairwise(edges)]
            yield np.array([(r * np.cos(a), r * np.sin(a), r) for a in alpha for r in middle]).T
        return
    grids = [(layer.shape, layer.pitch_mm) for layer in geometry.layers] or [(geometry.shape, geometry.pitch_mm[:2])]
    for (rows, columns), (dy, dx) in grids:
        xy = [((j - (columns - 1) / 2) * dx, (i - (rows - 1) / 2) * dy) for i in range(rows) for j in range(columns)]
        yield np.array([(x, y, np.sqrt(x**2 + y**2)) for x, y in xy]).T


def by_numpy(showers):
    """Of each layer: energy, sparsity, centres and widths in eta, phi, r."""
    start, found = 0, []
    for place in positions(showers.geometry):
        e = showers.voxels[:, start : start + place.shape[1]].astype(np.float64)
        start += place.shape[1]
        total = e.sum(axis=1)
        centre = [(x * e).sum(axis=1) / (total + 1e-16) for x in place]
        square = [(x**2 * e).sum(axis=1) / (total + 1e-16) for x in place]
        width = [np.sqrt(np.maximum(s - c**2, 0)) for s, c in zip(square, centre, strict=True)]
        found.append([total, 1 - (e > 0).mean(axis=1), *centre, *width])
    assert start == showers.geometry.voxels
    energy, sparsity, *rest = (np.stack(columns, axis=1) for columns in zip(*found, strict=True))
    incident = showers.incident_energy.astype(np.float64)
    return calorimeter.Features(incident, energy.sum(axis=1), energy, sparsity, *rest)


def made_up(name, n, seed=0):
    """Showers of sparse voxels, a tenth of their layers empty and a tenth with a single voxel; float32 MeV."""
    rng, geometry = np.random.default_rng(seed), named(name)
    voxels = rng.standard_exponential((n, geometry.voxels), np.float32)
    voxels *= rng.random(voxels.shape, np.float32) < 0.3
    start = 0
    for place in positions(geometry):
        layer = voxels[:, start : start + place.shape[1]]
        start += place.shape[1]
        kind = rng.integers(10, size=n)
        layer[kind < 2] = 0
        single = np.flatnonzero(kind == 1)
        layer[single, rng.integers(place.shape[1], size=len(single))] = 7.0
    voxels *= np.float32(10) ** rng.uniform(-2, 4, size=(n, 1)).astype(np.float32)
    return Showers(rng.uniform(1e3, 1e6, n).astype(np.float32), voxels, geometry)


def assert_agree(got, expected, geometry):
    """To 1e-5 relative; beside it, centres and widths to rounding of float64 at the farthest voxel's place.

    A centre may be zero by cancellation. A width is the root of a difference, and knows zero to 1e-7 of the place.
    """
    farthest = max(np.abs(place).max() for place in positions(geometry))
    for field, ours, theirs in zip(got._fields, got, expected, strict=True):
        atol = {"centre": 1e-12, "width": 1e-7}.get(field.split("_")[0], 0.0) * farthest
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol, err_msg=field)


@pytest.mark.parametrize("name", SHOWERS)
def test_against_numpy(name):
    showers = made_up(name, SHOWERS[name])
    geometry, chunks = showers.geometry, (showers[k : k + 1000] for k in range(0, len(showers), 1000))
    got, expected = calorimeter.batched_features(chunks), by_numpy(showers)
    assert got.energy.dtype == np.float64
    assert (expected.energy == 0).any() and (expected.width_r[expected.energy > 0] == 0).any()
    assert_agree(got, expected, geometry)


@pytest.mark.parametrize("name", WIDTHS)
def test_the_feature_vector(name):
    """Columns in the order of the paper, angles only of layers that have them."""
    showers = made_up(name, 50)
    f, geometry = by_numpy(showers), showers.geometry
    angular = [k for k, layer in enumerate(geometry.polar) if layer.alpha_bins > 1]
    expected = [np.log10(f.incident_energy)]
    expected += [np.log10(energy + 1e-8) for energy in f.energy.T]
    for values in (f.centre_eta, f.centre_phi, f.width_eta, f.width_phi):
        expected += [values[:, k] / 100 for k in angular]
    expected += [np.log10(f.total + 1e-8), *f.sparsity.T, *(f.centre_r.T / 100), *(f.width_r.T / 100)]
    got = calorimeter.feature_vector(calorimeter.batched_features([showers]), geometry)
    assert got.shape == (50, WIDTHS[name])
    np.testing.assert_allclose(got, np.stack(expected, axis=1), rtol=1e-5, atol=1e-6)


def test_by_hand():
    """Rings of 0-2 and 2-6 mm in four angles of 45 degrees off the axes, then a layer of whole rings."""
    geometry = Geometry("hand", (10,), polar=(PolarLayer((0, 2, 6), 4, 0), PolarLayer((0, 2, 6), 1, 3)))
    voxels = np.array([[0, 0, 0, 0, 3.0, 1.0, 0, 0, 0, 2.0]])
    f = calorimeter.batched_features([Showers(np.array([10.0]), voxels, geometry)])
    np.testing.assert_allclose(f.energy, [[4, 2]])
    np.testing.assert_allclose(f.total, [6])
    np.testing.assert_allclose(f.sparsity, [[0.75, 0.5]])
    np.testing.assert_allclose(f.centre_r, [[(3 * 1 + 4) / 4, 4]])
    np.testing.assert_allclose(f.width_r, [[np.sqrt((3 + 16) / 4 - (7 / 4) ** 2), 0]])
    np.testing.assert_allclose(f.centre_eta[0, 0], 7 / 4 / np.sqrt(2))
    np.testing.assert_allclose(f.centre_phi[0, 0], 7 / 4 / np.sqrt(2))
    assert calorimeter.angular_layers(geometry) == (0,)


@pytest.mark.parametrize("name", ["crystals_10x10", "calochallenge_1_pions"])
def test_chunks_equal_the_whole(name):
    showers = made_up(name, 70)
    whole = calorimeter.batched_features([showers])
    parts = calorimeter.batched_features([showers[:33], showers[33:66], showers[66:]])
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-5)


@pytest.mark.parametrize("name", ["lar_3layers", "calochallenge_1_photons"])
def test_any_leading_shape_and_vmap(name):
    """In float32: sums of a few hundred voxels agree to 1e-5, widths near zero to 1e-3 of the farthest place."""
    flat = made_up(name, 6)
    geometry = flat.geometry
    shaped = Showers(flat.incident_energy.reshape(2, 3), flat.voxels.reshape(2, 3, -1), geometry)
    expected = calorimeter.features(flat)
    mapped = jax.vmap(calorimeter.features)(Showers(*map(jnp.asarray, (flat.incident_energy, flat.voxels)), geometry))
    farthest = max(np.abs(place).max() for place in positions(geometry))
    for want, got, one, many in zip(
        expected, calorimeter.features(shaped), calorimeter.features(flat[4]), mapped, strict=True
    ):
        assert got.shape == (2, 3, *want.shape[1:])
        for ours, theirs in ((got.reshape(want.shape), want), (one, want[4]), (many, want)):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-3 * farthest)


def test_inside_jit_and_without_recompilation():
    first, second = made_up("calochallenge_1_photons", 8), made_up("calochallenge_1_photons", 8, seed=1)
    total = jax.jit(lambda showers: calorimeter.features(showers).total)
    np.testing.assert_allclose(total(first), first.voxels.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(total(second), calorimeter.features(second).total, rtol=1e-6)
    assert total._cache_size() == 1


@pytest.mark.parametrize("name", ["crystals_10x10", "lar_3layers", "calochallenge_1_pions"])
def test_gradients_are_finite(name):
    """Also of empty showers, empty layers and layers of one voxel."""
    showers = made_up(name, 30)
    showers.voxels[0] = 0

    def sum_of_all(voxels):
        return sum(jnp.sum(x) for x in calorimeter.features(Showers(showers.incident_energy, voxels, showers.geometry)))

    assert np.isfinite(jax.grad(sum_of_all)(jnp.asarray(showers.voxels))).all()


def test_a_geometry_without_layers_is_an_input_error():
    with pytest.raises(InputError, match="expected layers"):
        calorimeter.calorimeter_layers(Geometry("flat", (12,)))
