"""Passes through unpaired samples."""

import numpy as np
import pytest
from toys import toy_showers

from hepjax.pipelines.showers import symmetry
from hepjax.pipelines.squirels import pairing
from hepjax.types import Geometry

IMAGES = symmetry.orientations(Geometry("square", (4, 4)))


@pytest.mark.parametrize("n", [40, 64, 200], ids=["repeated", "equal", "larger"])
def test_passes_use_every_shower_evenly_in_rising_energy(n):
    rng = np.random.default_rng(0)
    energy = rng.uniform(size=n)
    ordered = pairing.in_passes(rng, energy, passes=8, length=64, images=8)
    assert ordered.row.shape == ordered.orientation.shape == (8, 64)
    assert (np.diff(energy[ordered.row], axis=1) >= 0).all()
    uses = np.bincount(ordered.row.ravel(), minlength=n)
    assert uses.min() >= np.floor(512 / n) and uses.max() <= np.ceil(512 / n)


def test_a_shower_of_every_pass_meets_every_orientation():
    rng = np.random.default_rng(0)
    ordered = pairing.in_passes(rng, rng.uniform(size=64), passes=8, length=64, images=8)
    assert len(set(zip(ordered.row.ravel(), ordered.orientation.ravel(), strict=True))) == 512


def test_partners_have_nearly_the_same_energy():
    """Rows of two samples of 300 and 200 events: their empirical quantiles differ by 3 errors at most."""
    rng = np.random.default_rng(0)
    a, b = rng.uniform(size=300), rng.uniform(size=200)
    first, second = (pairing.in_passes(rng, energy, passes=8, length=192, images=1).row for energy in (a, b))
    assert np.abs(a[first] - b[second]).max() < 3 * 0.5 * np.sqrt(1 / 300 + 1 / 200)


def test_the_table_holds_the_showers_as_turned():
    showers = toy_showers(0, 20)
    rng = np.random.default_rng(0)
    ordered = pairing.in_passes(rng, showers.incident_energy, passes=8, length=16, images=8)
    table = pairing.take(showers, ordered, IMAGES)
    assert table.voxels.shape == (8, 16, 16) and table.geometry == showers.geometry
    grids = {np.rot90(g, k).tobytes() for s in showers.voxels for g in _mirrors(s.reshape(4, 4)) for k in range(4)}
    assert all(shower.tobytes() in grids for one_pass in table.voxels for shower in one_pass)
    np.testing.assert_allclose(table.voxels.sum(-1), showers.voxels.sum(-1)[ordered.row], rtol=1e-6)
    np.testing.assert_array_equal(table.incident_energy, showers.incident_energy[ordered.row])


def _mirrors(grid):
    return grid, np.fliplr(grid)
