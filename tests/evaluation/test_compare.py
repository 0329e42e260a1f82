"""The comparison of shower samples: null, a distortion it must see, its floors, its keys."""

import jax
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from hepjax import evaluation, metrics
from hepjax.report import write_json
from hepjax.report.html import auc_table
from hepjax.training import Config
from hepjax.types import Geometry, InputError, Layer, Showers

GRID = Geometry("toy", (4, 4))
SHORT = Config(epochs=3, batch_size=64, validation=0.0)


def toy(seed, n=240, tilt=0.0):
    """Showers whose cells fall off from a corner, with empty ones; `tilt` moves energy between rows."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1e4, 1e5, size=n)
    profile = np.exp(-np.add.outer((1 + tilt) * np.arange(4), np.arange(4))).ravel()
    cells = rng.gamma(3.0, profile, size=(n, 16)) * (rng.uniform(size=(n, 16)) > 0.2)
    return Showers(energy, energy[:, None] * cells / cells.sum(1, keepdims=True) * rng.normal(1, 0.01, (n, 1)), GRID)


@pytest.fixture(scope="module")
def result():
    return evaluation.compare(
        jax.random.key(0), toy(0), toy(1), toy(2, 300, tilt=0.5), train=toy(3), names=("a", "b", "c"), config=SHORT
    )


def test_same_law_lies_at_the_floor_and_another_beyond(result):
    """12 observables against their 99 percent quantiles: two beyond by chance has a probability below 1 percent."""
    same, tilted = (m["observables"].values() for m in (result.metrics, result.metrics["baseline"]))
    assert sum(row["emd"] > row["emd_floor_99"] for row in same) <= 2
    assert sum(row["emd"] > row["emd_floor_99"] for row in tilted) >= 6


def test_emd_and_its_floor_are_the_judges(result):
    a, b = (metrics.sum_over_e(toy(seed)) for seed in (0, 1))
    orders = [np.random.default_rng(seed).permutation(240) for seed in range(200)]
    halves = [wasserstein_distance(a[p[:120]], a[p[120:]]) for p in orders]
    row = result.metrics["observables"]["sum_over_e"]
    assert row["emd"] == pytest.approx(wasserstein_distance(a, b), rel=1e-9)
    assert row["emd_floor_mean"] == pytest.approx(np.mean(halves) * np.sqrt(0.5), rel=1e-9)
    assert row["emd_floor_99"] == pytest.approx(np.quantile(halves, 0.99) * np.sqrt(0.5), rel=1e-9)
    assert row["emd_ratio"] == pytest.approx(row["emd"] / row["emd_floor_mean"])


def test_keys_are_stable(result, tmp_path):
    areas = [f"auc_{c}{v}{e}" for c in ("mlp", "trees") for v in ("", "_above_1mev") for e in ("", "_error")]
    for table in (result.metrics, result.metrics["baseline"]):
        assert {*areas, "observables", "correlations", "response", "copies"} <= set(table)
    assert result.metrics["showers_compared"] == 240
    assert result.metrics["samples"] == {"a": 240, "b": 240, "c": 300}
    write_json(tmp_path / "metrics.json", result.metrics)


def test_classifiers_tell_the_tilted_sample(result):
    for name in ("auc_mlp", "auc_trees"):
        assert abs(result.metrics[name] - 0.5) < 4 * result.metrics[f"{name}_error"]
        assert result.metrics["baseline"][name] > 0.8


def test_arrays_of_the_figures(result):
    assert result.samples == ("a", "b", "c")
    for d in result.distributions:
        assert all(h.counts.sum() == pytest.approx(h.total) == 240 * d.entries for h in d.histograms.values())
    np.testing.assert_allclose(result.profiles[0].mean["a"], metrics.row_over_e(toy(0)).mean(0))
    assert all(m.shape == (16, 16) for m in result.correlations.values())
    energies = np.array([e.energy_mev for e in result.examples.values()])
    assert np.ptp(energies, axis=0).max() < 5e3


def test_sample_against_itself_is_zero():
    table = evaluation.compare(jax.random.key(0), toy(0), toy(0), config=SHORT).metrics
    assert all(row["emd"] < 1e-12 and row["separation"] == 0 for row in table["observables"].values())
    assert table["correlations"]["rms"] == 0
    assert all(row["mean_pull"] == row["width_pull"] == 0 for row in table["response"])


def test_a_sample_in_order_of_energy_is_cut_at_random():
    """The same law, 480 showers sorted: none of the first half has more than the median energy. 4 errors of a half."""
    other = toy(1, n=480)
    table = evaluation.compare(
        jax.random.key(0), toy(0), other[np.argsort(other.incident_energy)], asked=("trees",)
    ).metrics
    assert abs(table["auc_trees"] - 0.5) < 4 * table["auc_trees_error"]
    assert table["notes"] == ["generated: 240 of 480 showers, drawn at random"]
    assert not {"auc_mlp", "observables", "correlations"} & set(table)


def test_showers_of_the_reference_among_the_generated_are_counted():
    first, other = toy(0), toy(1)
    energy = np.concatenate([first.incident_energy[:100], other.incident_energy[100:]])
    mixed = Showers(energy, np.concatenate([first.voxels[:100], other.voxels[100:]]), GRID)
    table = evaluation.compare(jax.random.key(0), first, mixed, asked=()).metrics
    assert table["equal_rows"] == {"reference": 0, "generated": 0, "shared": 100}
    assert table["notes"] == ["generated: 100 of 240 showers are in reference too, equal in every cell"]


def test_fewer_showers_on_request():
    table = evaluation.compare(jax.random.key(0), toy(0), toy(1), asked=("correlations",), largest=100).metrics
    assert table["showers_compared"] == 100 and len(table["notes"]) == 2 and "rms" in table["correlations"]
    with pytest.raises(InputError, match="10 showers asked for, a comparison needs at least 60"):
        evaluation.compare(jax.random.key(0), toy(0), toy(1), largest=10)


def test_another_geometry_or_too_few_showers_are_refused():
    other = toy(1)
    other = Showers(other.incident_energy, other.voxels, Geometry("other", (4, 4)))
    with pytest.raises(InputError, match="geometry other, expected toy"):
        evaluation.compare(jax.random.key(0), toy(0), other)
    with pytest.raises(InputError, match="at least 60"):
        evaluation.compare(jax.random.key(0), toy(0), toy(1, n=10))


LAYERED = Geometry("layered", (10,), layers=(Layer((2, 3), (10.0, 2.0), 5.0), Layer((1, 4), (1.0, 4.0), 5.0)))


def layered_toy(seed, n=120, tilt=0.0):
    """Energy shared between two layers, evenly but for `tilt`, the second one empty in a tenth of the showers."""
    rng = np.random.default_rng(seed)
    energy = rng.uniform(1e4, 1e5, size=n)
    cells = rng.gamma(2.0, size=(n, 10)) * np.repeat([1 + tilt, 1], [6, 4]) * (rng.uniform(size=(n, 10)) > 0.2)
    cells[: n // 10, 6:] = 0
    return Showers(energy, 0.02 * energy[:, None] * cells, LAYERED)


def test_layers_are_compared_one_by_one():
    result = evaluation.compare(jax.random.key(0), layered_toy(0), layered_toy(1, tilt=0.5), config=SHORT)
    table, tilted = result.metrics, layered_toy(1, tilt=0.5)
    assert len(table["observables"]) == 4 + 2 * 8 and {"auc_mlp", "auc_trees_above_1mev"} <= set(table)
    assert table["auc_trees_layers"] > 0.5 + 4 * table["auc_trees_layers_error"]
    row = table["observables"]["layer_0_share"]
    assert row["emd"] > row["emd_floor_99"]
    assert [p.name for p in result.profiles] == [f"layer {k}, {kind}" for k in (0, 1) for kind in ("row", "column")]
    assert [grid.shape for grid in result.averages["reference"]] == [(2, 3), (1, 4)]
    np.testing.assert_allclose(sum(g.sum() for g in result.averages["generated"]), metrics.sum_over_e(tilted).mean())
    assert [cells.shape for cells in result.examples["generated"].cells_mev] == [(5, 2, 3), (5, 1, 4)]
    assert "Neural network, layer energies" in auc_table(result)
