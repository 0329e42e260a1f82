"""The embedded samples are what their docstrings and their attributes say."""

import h5py
import numpy as np
import pytest

from hepjax.data import samples, showers, unfolding

GROUPS = {
    samples.squirels: {"fast/train": 3000, "full/train": 3000, "fast/test": 1000, "full/test": 1000},
    samples.lar: {
        "photons/train": 2000,
        "photons/test": 500,
        "diphotons/M5000_L330": 100,
        "diphotons/M500_L1000": 100,
    },
}
ENERGIES_MEV = {"fast": (10e3, 100e3), "full": (10e3, 100e3), "photons": (1e3, 50e3), "diphotons": (20e3, 50e3)}
PARTS = [(sample, group) for sample, groups in GROUPS.items() for group in groups]
SAMPLING_FRACTION = 0.2038  # mean of the 6,500 showers that the sample was cut from


@pytest.mark.parametrize("sample, group", PARTS, ids=lambda p: p if isinstance(p, str) else p.__name__)
def test_parts_have_their_sizes_energies_and_precision(sample, group):
    part = showers.read(sample(group))
    assert len(part) == GROUPS[sample][group]
    low, high = ENERGIES_MEV[group.split("/")[0]]
    assert ((part.incident_energy >= low) & (part.incident_energy <= high)).all()
    # 13 explicit bits of 23: the others are zero, so that what was stored is off by less than 2^-13.
    assert not (part.voxels.view(np.uint32) & np.uint32((1 << 10) - 1)).any()
    assert not np.signbit(part.voxels).any() and (part.voxels == 0).any()


@pytest.mark.parametrize("sample", GROUPS, ids=lambda s: s.__name__)
def test_files_hold_these_groups_below_1_5_megabytes_with_provenance(sample):
    address = sample()
    assert address.path.stat().st_size < 1.5e6
    with h5py.File(address.path) as file:
        found = []
        file.visititems(lambda name, item: found.append(name) if "geometry" in item.attrs else None)
        assert set(found) == set(GROUPS[sample])
        assert file.attrs["units"] == "MeV" and "13 explicit bits" in file.attrs["precision"]
        assert {"source", "licence", "detector", "date"} <= set(file.attrs)


@pytest.mark.parametrize("sample, group", PARTS[4:6], ids=lambda p: p if isinstance(p, str) else p.__name__)
def test_photons_leave_the_sampling_fraction_in_the_argon(sample, group):
    """In the mean, within 4 standard errors; four fifths of the cells are empty, as the calorimeter is wide."""
    part = showers.read(sample(group))
    assert part.geometry.name == "lar_3layers"
    response = part.voxels.sum(1, dtype=np.float64) / part.incident_energy
    assert abs(response.mean() - SAMPLING_FRACTION) < 4 * response.std() / len(part) ** 0.5
    assert 0.78 < np.mean(part.voxels == 0) < 0.86


def test_photons_to_fit_and_to_judge_are_different_showers():
    fit, judge = (showers.read(samples.lar(f"photons/{part}")) for part in ("train", "test"))
    assert not set(fit.incident_energy.tolist()) & set(judge.incident_energy.tolist())


@pytest.mark.parametrize("group, rows", [("pythia", 12_000), ("vincia", 6_000)])
def test_z_and_jets_have_their_size_observables_and_ranges(group, rows):
    sample = unfolding.read(samples.zjets(group))
    assert len(sample) == rows
    for columns, values in ((sample.gen_columns, sample.gen), (sample.reco_columns, sample.reco)):
        assert tuple(c.name for c in columns) == unfolding.OBSERVABLES
        mass, multiplicity, width, ln_rho, z_g, tau21 = values.T
        assert mass.min() > -1e-4 and mass.max() < 200  # of rounding, where the particles are massless
        assert (multiplicity == np.round(multiplicity)).all() and multiplicity.min() >= 1
        assert width.min() >= 0 and width.max() < 0.8 and tau21.min() >= 0 and tau21.max() < 1.5
        failed = z_g == 0
        assert (ln_rho[failed] == 0).all() and 0.002 < failed.mean() < 0.02
        # Soft drop keeps z_g > 0.1; a groomed jet is lighter than its pT, and has a mass but for rounding.
        assert (z_g[~failed] > 0.0999).all() and z_g.max() <= 0.5
        assert np.mean(ln_rho[~failed] < 0) > 0.999
        assert not (values.view(np.uint32) & np.uint32((1 << 9) - 1)).any()  # 14 explicit bits of 23


def test_z_and_jets_are_pairs_of_two_showers():
    """Levels correlate by more than 0.5 in every observable; the showers differ in multiplicity, by 3 errors."""
    pythia, vincia = (unfolding.read(samples.zjets(group)) for group in ("pythia", "vincia"))
    for sample in (pythia, vincia):
        for i in range(6):
            assert np.corrcoef(sample.gen[:, i], sample.reco[:, i])[0, 1] > 0.5
    n, m = (sample.gen[:, 1].astype(float) for sample in (pythia, vincia))
    assert abs(n.mean() - m.mean()) > 3 * np.hypot(n.std() / len(n) ** 0.5, m.std() / len(m) ** 0.5)


def test_z_and_jets_are_below_a_megabyte_with_provenance():
    path = samples.zjets().path
    assert path.stat().st_size < 1e6
    with h5py.File(path) as file:
        assert set(file) == {"pythia", "vincia"}
        assert all(set(group) == {"gen", "sim"} for group in file.values())
        assert {"source", "licence", "detector", "generator", "date", "rows", "precision", "columns"} <= set(file.attrs)
