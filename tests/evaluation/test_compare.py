"""The comparison of shower samples: null, a distortion it must see, its floors, its keys."""

import jax
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from hepjax import evaluation, metrics
from hepjax.report import write_json
from hepjax.training import Config
from hepjax.types import Geometry, InputError, Showers

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


def test_another_geometry_or_too_few_showers_are_refused():
    other = toy(1)
    other = Showers(other.incident_energy, other.voxels, Geometry("other", (4, 4)))
    with pytest.raises(InputError, match="geometry other, expected toy"):
        evaluation.compare(jax.random.key(0), toy(0), other)
    with pytest.raises(InputError, match="at least 60"):
        evaluation.compare(jax.random.key(0), toy(0), toy(1, n=10))
