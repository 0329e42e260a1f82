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


INNER, HADRONIC, RINGS = (100, 100, 500, 500), (500, 400, 1500, 1500), (None, None, 1500, 1500)
PRESAMPLER, SMALL = (None, None, 500, 500), (30, 30, 42, 20)
RANGES = {
    "1_photons": {0: PRESAMPLER, 1: INNER, 2: INNER, 3: PRESAMPLER, 12: RINGS},
    "1_pions": {0: PRESAMPLER, 1: INNER, 2: INNER, 3: PRESAMPLER, 12: HADRONIC, 13: HADRONIC, 14: RINGS},
    "2": dict.fromkeys(range(45), SMALL),
    "3": dict.fromkeys(range(45), SMALL),
}
"""Ends in mm of the challenge's bins of centre and width in eta and phi, of centre and width in r, by layer."""


@pytest.mark.parametrize("name", RANGES)
def test_bins_of_positions_are_the_challenge_s(name):
    """Every layer of every set: 101 equal edges from zero, or across it for the centres in eta and phi."""
    _, found = observables(showers(name))
    seen = {o for o in found if o.startswith(("centre", "width"))}
    for layer, (centre, width, centre_r, width_r) in RANGES[name].items():
        ends = {f"{kind}_layer_{layer}": (0, end) for kind, end in (("centre_r", centre_r), ("width_r", width_r))}
        if centre is not None:
            ends |= {f"centre_{axis}_layer_{layer}": (-centre, centre) for axis in ("eta", "phi")}
            ends |= {f"width_{axis}_layer_{layer}": (0, width) for axis in ("eta", "phi")}
        for observable, (low, high) in ends.items():
            assert (found[observable].edges == np.linspace(low, high, 101)).all(), observable
        seen -= set(ends)
    assert not seen


@pytest.mark.parametrize(("name", "layer"), [("1_pions", 12), ("2", 7)])
def test_bins_of_energies_and_sparsities_are_the_challenge_s(name, layer):
    sample = showers(name)
    features, found = observables(sample)
    assert (found["etot_over_einc"].edges == np.linspace(0.5, 1.5, 101)).all()
    assert (found[f"sparsity_layer_{layer}"].edges == np.linspace(0, 1, 21)).all()
    energy = found[f"energy_layer_{layer}"]
    ends = sample.geometry.threshold_mev, energy.values(features).max()
    assert (energy.edges == np.logspace(*np.log10(ends), 40)).all()


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
    assert (counts[:, 1:-1] == [np.histogram(v.astype(np.float64), edges)[0] for v in voxels]).all()
    assert (counts[:, 0] == ((voxels > 0) & (voxels < edges[0])).sum(1)).all()
    assert (counts.sum(1) == (voxels > 0).sum(1)).all()
    assert counts[:, -1].sum() <= 1  # the last edge is the largest voxel but for a rounding


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
