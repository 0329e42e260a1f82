"""Observables of layers: by hand, against a loop, any leading shape, gradients, compilation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import metrics
from hepjax.data import geometry
from hepjax.types import Geometry, InputError, Layer, Showers

LAR = geometry.named("lar_3layers")
TWO = Geometry("two", (10,), layers=(Layer((2, 3), (10.0, 2.0), 5.0), Layer((1, 4), (1.0, 4.0), 5.0)))
HAND = np.array([[1.0, 0, 1, 0, 0, 2, 0, 3, 0, 1], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0, 5, 0, 0, 0, 0, 0, 0, 0, 0]])


def cells(rng, *shape):
    return (rng.gamma(0.3, 20, size=(*shape, 504)) * (rng.uniform(size=(*shape, 504)) > 0.3)).astype(np.float32)


def test_by_hand():
    f = metrics.layer_features(HAND, TWO)
    np.testing.assert_allclose(f.energy_mev, [[4, 4], [0, 0], [5, 0]])
    np.testing.assert_allclose(f.share, [[0.5, 0.5], [0, 0], [1, 0]])
    np.testing.assert_allclose(f.centre_mm[:, 0], [[0, 1], [0, 0], [-5, 0]], atol=1e-6)
    np.testing.assert_allclose(f.centre_mm[:, 1], [[0, 0], [0, 0], [0, 0]], atol=1e-6)
    np.testing.assert_allclose(f.width_mm[0], [[5, np.sqrt(3)], [0, np.sqrt(12)]], rtol=1e-6)
    assert not np.asarray(f.width_mm[1:]).any()
    np.testing.assert_array_equal(f.hits, [[3, 2], [0, 0], [1, 0]])
    np.testing.assert_array_equal(f.largest_mev, [[2, 3], [0, 0], [5, 0]])


def test_threshold_counts_cells_above_it():
    f = metrics.layer_features(HAND, Geometry("two", (10,), 1.5, layers=TWO.layers))
    np.testing.assert_array_equal(f.hits, [[1, 1], [0, 0], [1, 0]])


def test_against_numpy_averages(rng):
    """float32 against float64: rounding of sums of 288 cells stays below 1e-5 of a layer's size, 240 mm."""
    x = cells(rng, 20)
    f = metrics.layer_features(x, LAR)
    for k, (grid, layer) in enumerate(zip(metrics.split(x.astype(np.float64), LAR), LAR.layers, strict=True)):
        for axis in (0, 1):
            place = (np.arange(layer.shape[axis]) - (layer.shape[axis] - 1) / 2) * layer.pitch_mm[axis]
            weight = grid.sum(2 - axis)
            mean = np.array([np.average(place, weights=w) for w in weight])
            square = np.array([np.average((place - m) ** 2, weights=w) for m, w in zip(mean, weight, strict=True)])
            np.testing.assert_allclose(f.centre_mm[:, k, axis], mean, atol=3e-3)
            np.testing.assert_allclose(f.width_mm[:, k, axis], np.sqrt(square), atol=3e-3)


def test_any_leading_shape(rng):
    x = cells(rng, 2, 3)
    batch = metrics.layer_features(x, LAR)
    one = metrics.layer_features(x[1, 2], LAR)
    assert batch.energy_mev.shape == (2, 3, 3) and batch.width_mm.shape == (2, 3, 3, 2)
    for many, single in zip(batch, one, strict=True):
        np.testing.assert_allclose(many[1, 2], single, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(metrics.layer_energies(x, LAR), batch.energy_mev)


def test_split_keeps_cells_and_their_order(rng):
    x = cells(rng, 4)
    grids = metrics.split(x, LAR)
    assert [g.shape for g in grids] == [(4, 3, 96), (4, 12, 12), (4, 12, 6)]
    np.testing.assert_array_equal(np.concatenate([g.reshape(4, -1) for g in grids], -1), x)


def test_gradients_are_finite_in_empty_layers_and_single_cells():
    def total(x):
        return sum(jnp.sum(v) for v in metrics.layer_features(x, TWO))

    assert np.isfinite(jax.grad(total)(jnp.asarray(HAND, jnp.float32))).all()


def test_a_second_call_does_not_compile(caplog, rng):
    metrics.layer_features(cells(rng, 5), LAR)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        metrics.layer_features(cells(rng, 5), geometry.named("lar_3layers"))
    assert not [r for r in caplog.records if "Compiling" in r.getMessage()]


def test_a_grid_is_one_layer():
    crystals = geometry.named("crystals_2x5")
    assert metrics.layers(crystals) == (Layer((2, 5), (30.0, 30.0), 240.0),)
    np.testing.assert_allclose(metrics.layer_features(HAND, crystals).energy_mev, HAND.sum(1)[:, None])
    with pytest.raises(InputError, match="cube: expected layers, or rows and columns"):
        metrics.layers(Geometry("cube", (2, 2, 2)))


def test_observables_of_layers(rng):
    showers = Showers(rng.uniform(1e3, 5e4, 6), cells(rng, 6), LAR)
    table = {o.name: o for o in metrics.observables(showers)}
    assert list(table)[:4] == ["sum_over_e", "largest_over_e", "cells_above_1mev", "cell_spectrum"]
    assert len(table) == 4 + 3 * 8 and all(o.values(showers).shape == (6,) for n, o in table.items() if "layer" in n)
    layer = [table[f"layer_{k}_over_e"].values(showers) for k in range(3)]
    np.testing.assert_allclose(np.sum(layer, 0), metrics.sum_over_e(showers))
    view = metrics.layer_view(showers)
    np.testing.assert_allclose(view, np.stack([*layer, np.log(showers.incident_energy)], 1))
    f = metrics.layer_features(showers.voxels, LAR)
    np.testing.assert_allclose(table["layer_1_column_width"].values(showers), f.width_mm[:, 1, 1])
    np.testing.assert_allclose(table["layer_2_row_centre"].values(showers), f.centre_mm[:, 2, 0])


def test_profiles_of_layers_sum_to_the_layer(rng):
    showers = Showers(rng.uniform(1e3, 5e4, 6), cells(rng, 6), LAR)
    profiles = metrics.profiles(showers)
    names = [f"layer {k}, {kind}" for k in range(3) for kind in ("row", "column")]
    assert list(profiles) == names
    assert [profiles[n](showers).shape[1] for n in names] == [3, 96, 12, 12, 12, 6]
    for k, name in enumerate(names):
        np.testing.assert_allclose(profiles[name](showers).sum(1), metrics.layer_view(showers)[:, k // 2])
