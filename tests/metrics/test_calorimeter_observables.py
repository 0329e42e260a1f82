"""The CaloChallenge's histograms: bins of the sheet, counts against NumPy, floors of counts against those of events."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.data import geometry as geometries
from hepjax.metrics import calorimeter
from hepjax.metrics.calorimeter_observables import calo_observables, voxel_counts, voxel_edges
from hepjax.metrics.floor import pooled_separation_floor, pooled_table_floor
from hepjax.types import Showers

SETS = ("1_photons", "1_pions", "2", "3")


def showers(name: str, n: int = 40, seed: int = 0, energies: np.ndarray | None = None) -> Showers:
    geometry = geometries.named(f"calochallenge_{name}")
    rng = np.random.default_rng(seed)
    voxels = np.where(rng.random((n, geometry.voxels)) < 0.2, rng.gamma(2.0, 10.0, (n, geometry.voxels)), 0)
    energy = 10 ** rng.uniform(3, 6, n) if energies is None else rng.choice(energies, n)
    return Showers(energy.astype(np.float32), voxels.astype(np.float32), geometry)


def observables(sample: Showers):
    features = calorimeter.batched_features([sample])
    return features, {o.name: o for o in calo_observables(features, sample.geometry)}


@pytest.mark.parametrize(("name", "count"), [("1_photons", 29), ("1_pions", 45), ("2", 361), ("3", 361)])
def test_every_feature_but_the_energies_has_a_histogram(name, count):
    """One for each of the 30, 46 or 362 numbers, E_inc having none; E_tot enters over E_inc."""
    _, found = observables(showers(name))
    assert len(found) == count


@pytest.mark.parametrize(
    ("name", "layer", "centre", "width", "radius"),
    [("1_pions", 1, 100, 100, 500), ("1_pions", 12, 500, 400, 1500), ("2", 7, 30, 30, 42), ("3", 44, 30, 30, 42)],
)
def test_bins_are_those_of_the_sheet(name, layer, centre, width, radius):
    sample = showers(name)
    features, found = observables(sample)
    assert (found["etot_over_einc"].edges == np.linspace(0.5, 1.5, 101)).all()
    assert (found[f"centre_phi_layer_{layer}"].edges == np.linspace(-centre, centre, 101)).all()
    assert (found[f"width_eta_layer_{layer}"].edges == np.linspace(0, width, 101)).all()
    assert (found[f"centre_r_layer_{layer}"].edges == np.linspace(0, radius, 101)).all()
    assert (found[f"sparsity_layer_{layer}"].edges == np.linspace(0, 1, 21)).all()
    energy = found[f"energy_layer_{layer}"]
    assert len(energy.edges) == 40 and energy.edges[0] == sample.geometry.threshold_mev
    assert energy.edges[-1] == energy.values(features).max()


def test_layers_of_whole_rings_have_no_centre_in_eta():
    _, found = observables(showers("1_photons"))
    assert [name for name in found if name.startswith("centre_eta")] == ["centre_eta_layer_1", "centre_eta_layer_2"]


def test_discrete_incident_energies_have_a_response_each():
    sample = showers("1_photons", energies=2.0 ** np.arange(8, 11))
    features, found = observables(sample)
    counts = [len(found[f"etot_over_einc_{energy}mev"].values(features)) for energy in (256, 512, 1024)]
    assert sum(counts) == len(sample)


def test_an_empty_layer_has_bins_and_no_separation():
    sample = showers("2")
    voxels = np.array(sample.voxels).reshape(-1, 45, 144)
    voxels[:, 7] = 0
    features, found = observables(Showers(sample.incident_energy, voxels.reshape(-1, 6480), sample.geometry))
    h = metrics.histogram(found["energy_layer_7"].values(features), found["energy_layer_7"].edges)
    assert metrics.separation_power(h, h) == 0


def test_separation_is_the_published_formula():
    """1/2 sum (h1 - h2)^2 / (h1 + h2 + 1e-16) with h the density of np.histogram times the bin width."""
    features, found = observables(showers("2", n=300))
    other, _ = observables(showers("2", n=300, seed=1))
    for name in ("energy_layer_3", "centre_r_layer_3", "sparsity_layer_3"):
        o = found[name]
        h = [np.histogram(o.values(f), o.edges, density=True)[0] * np.diff(o.edges) for f in (features, other)]
        expected = 0.5 * ((h[0] - h[1]) ** 2 / (h[0] + h[1] + 1e-16)).sum()
        found_power = metrics.separation_power(*(metrics.histogram(o.values(f), o.edges) for f in (features, other)))
        assert found_power == pytest.approx(expected, rel=1e-9)


def test_voxel_counts_are_numpy_s():
    sample = showers("2", n=5)
    voxels = np.asarray(sample.voxels)
    edges = voxel_edges(float(voxels.max()), sample.geometry)
    assert len(edges) == 50
    counts = voxel_counts(voxels, edges)
    assert (counts == [np.histogram(v.astype(np.float64), edges)[0] for v in voxels]).all()
    assert counts.sum() == (voxels >= edges[0]).sum()  # the largest voxel is in the last bin


def looped(x, y, edges):
    """Separation powers of events shuffled between two samples, an event at a time."""
    rng, pooled, values = np.random.default_rng(5), np.concatenate([x, y]), []
    for _ in range(200):
        order = rng.permutation(pooled)
        values.append(metrics.separation_power(*(metrics.histogram(p, edges) for p in np.split(order, [len(x)]))))
    return np.mean(values), np.quantile(values, 0.99)


@pytest.mark.parametrize(("n", "m"), [(400, 400), (101, 300)])
def test_pooled_floor_shuffles_events(n, m):
    """Two sets of 200 permutations: the means agree within three standard errors, the quantiles within 30 percent."""
    rng = np.random.default_rng(2)
    x, y, edges = rng.normal(size=n), rng.normal(size=m), np.linspace(-3, 1, 21)  # some events lie outside
    floor = pooled_separation_floor(*(metrics.histogram(sample, edges) for sample in (x, y)))
    mean, top = looped(x, y, edges)
    # The separation power of b bins is nearly chi-square: its spread is sqrt(2 / b) of its mean.
    assert floor.mean == pytest.approx(mean, rel=3 * np.sqrt(2 / 20) * np.sqrt(2 / 200))
    assert floor.top == pytest.approx(top, rel=0.3)


def test_pooled_floor_holds_for_sparse_histograms():
    """Of 300 pairs of 100 events in 200 bins, 1 percent lie beyond the quantile; more than 9 in 1e-3 of all runs."""
    rng, edges = np.random.default_rng(6), np.linspace(-4, 4, 201)
    beyond = 0
    for _ in range(300):
        a, b = (metrics.histogram(rng.normal(size=100), edges) for _ in range(2))
        beyond += metrics.separation_power(a, b) > pooled_separation_floor(a, b).top
    assert beyond <= 9


def test_pooled_table_floor_keeps_the_entries_of_an_event_together():
    """Entries that come in tens fluctuate as ten times fewer independent ones do, and as single ones do."""
    rng = np.random.default_rng(3)
    single = [np.eye(10)[rng.integers(10, size=500)] for _ in range(2)]
    floors = [pooled_table_floor(k * single[0], k * single[1]).mean for k in (1, 10)]
    assert floors[0] == pytest.approx(floors[1], rel=1e-9)
    h = [metrics.Histogram(np.arange(11.0), t.sum(0), t.sum(0), 500.0) for t in single]
    assert pooled_separation_floor(*h).mean == pytest.approx(floors[0], rel=3 * np.sqrt(2 / 9) * np.sqrt(2 / 200))
