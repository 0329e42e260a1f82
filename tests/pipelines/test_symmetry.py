"""Orientations of a calorimeter, and samples that respect them."""

import numpy as np
import pytest
from toys import toy_showers

from hepjax.pipelines.showers import symmetry
from hepjax.types import Geometry, Layer

IMAGES = symmetry.orientations(Geometry("square", (4, 4)))


def test_the_orientations_of_a_square_are_a_group_of_eight():
    images = {tuple(image) for image in IMAGES}
    assert len(images) == 8 and tuple(range(16)) == tuple(IMAGES[0])
    assert {tuple(a[b]) for a in IMAGES for b in IMAGES} == images


def test_they_are_rotations_and_reflections():
    """A cell's neighbours stay its neighbours."""
    cells = np.arange(16).reshape(4, 4)
    for image in IMAGES:
        moved = np.argsort(image)[cells]
        rows, columns = np.divmod(moved, 4)
        for axis in (0, 1):
            steps = np.abs(np.diff(rows, axis=axis)) + np.abs(np.diff(columns, axis=axis))
            assert (steps == 1).all()


@pytest.mark.parametrize("shape", [(3, 4), (8,), (2, 2, 2)], ids=str)
def test_other_grids_have_the_identity_alone(shape):
    np.testing.assert_array_equal(symmetry.orientations(Geometry("grid", shape)), np.arange(np.prod(shape))[None])


def test_layers_are_reflected_together():
    layers = (Layer((1, 2), (1.0, 1.0), 1.0), Layer((2, 2), (1.0, 1.0), 1.0))
    images = symmetry.orientations(Geometry("two layers", (6,), layers=layers))
    expected = [[0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4], [0, 1, 4, 5, 2, 3], [1, 0, 5, 4, 3, 2]]
    np.testing.assert_array_equal(images, expected)


def test_symmetric_and_leaning_samples_are_told_apart():
    """Seven of eight symmetric samples at least; a fair one is refused in less than 5 percent of cases."""
    kept = [symmetry.symmetric(toy_showers(seed, 500), IMAGES) for seed in range(8)]
    assert sum(kept) >= 7
    assert not symmetry.symmetric(toy_showers(0, 500, slope=0.1), IMAGES)
    assert symmetry.symmetric(toy_showers(0, 500, slope=0.1), IMAGES[:1])


def test_cells_that_never_vary_break_no_symmetry():
    showers = toy_showers(0, 500)
    showers.voxels[:, [0, 3, 12, 15]] = 0
    assert symmetry.symmetric(showers, IMAGES)
