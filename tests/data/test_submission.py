"""Which files the CaloChallenge would take: each fault one line with file, key and row, and no false alarm."""

import tracemalloc

import h5py
import numpy as np
import pytest

from hepjax.data import showers, submission
from hepjax.types import InputError

N = 60
COUNTS = {"1-photons": 121_000, "1-pions": 120_800, "2": 100_000, "3": 100_000}
every_dataset = pytest.mark.parametrize("dataset", COUNTS)


def good(dataset="2", n=N):
    """Data sets of a valid file: 0.9 of the energy is in the first hundred voxels, a third of those exactly zero."""
    rng, detector = np.random.default_rng(0), submission.challenge_geometry(dataset)
    powers, uniform = 2.0 ** rng.integers(8, 23, n), 10 ** rng.uniform(3, 6, n)
    energies = (uniform if dataset in "23" else powers)[:, None].astype(np.float32)
    share = np.pad(rng.integers(0, 3, (n, 100)), [(0, 0), (0, detector.voxels - 100)])
    voxels = 0.9 * energies * share / share.sum(1, keepdims=True)
    return {"incident_energies": energies, "showers": voxels.astype(np.float32)}


def write(path, attrs=(), **content):
    with h5py.File(path, "w") as file:
        file.attrs.update(dict(attrs))
        for key, values in content.items():
            if values is not None:
                file[key] = values
    return path


def changed(values, index, value):
    copy = np.array(values)
    copy[index] = value
    return copy


GOOD = good()
ENERGIES, VOXELS = GOOD["incident_energies"], GOOD["showers"]
BAD = {
    "no energies": (dict(incident_energies=None), ["f.hdf5:incident_energies: missing key incident_energies"]),
    "no showers": (dict(showers=None), ["f.hdf5:showers: missing key showers, expected incident_energies and showers"]),
    "width": (dict(showers=VOXELS[:, :-1]), [f"f.hdf5:showers: shape ({N}, 6479), expected (showers, 6480)"]),
    "grid": (dict(showers=VOXELS.reshape(N, 45, 16, 9)), [f"shape ({N}, 45, 16, 9), expected (showers, 6480)"]),
    "axis": (dict(incident_energies=ENERGIES[:, 0]), [f"incident_energies: shape ({N},), expected (showers, 1)"]),
    "scalar": (dict(incident_energies=1e4), ["incident_energies: shape (), expected (showers, 1)"]),
    "integers": (dict(showers=VOXELS.astype(int)), ["showers: type int64, expected float32 or float64"]),
    "half": (dict(showers=(VOXELS * 1e-3).astype(np.float16)), ["showers: type float16, expected float32 or float64"]),
    "words": (dict(incident_energies=np.full((N, 1), b"1e4")), ["incident_energies: type |S3, expected float32 or"]),
    "rows": (dict(incident_energies=ENERGIES[1:]), ["f.hdf5: 59 incident_energies and 60 showers, expected as many"]),
    "nothing": (
        dict(incident_energies=ENERGIES[:0], showers=VOXELS[:0]),
        ["f.hdf5:incident_energies: zero rows, expected", "f.hdf5:showers: zero rows, expected a row for each shower"],
    ),
    "all of the layout": (
        dict(incident_energies=ENERGIES[1:].astype(int), showers=VOXELS[:, :3]),
        ["type int64", "showers: shape (60, 3), expected (showers, 6480)", "59 incident_energies and 60 showers"],
    ),
    "nan": (
        dict(showers=changed(VOXELS, ([7, 9], 3), np.nan)),
        ["showers: voxels that are NaN or", "(2, the first in row 7), exp"],
    ),
    "infinite": (
        dict(showers=changed(VOXELS, (8, 3), np.inf)),
        ["showers: voxels that are NaN or infinite", "(1, the first in row 8)"],
    ),
    "over float32": (dict(showers=changed(VOXELS.astype(float), (5, 3), 1e39)), ["infinite in float32", "in row 5"]),
    "negative": (
        dict(showers=changed(VOXELS, (slice(4, 6), 3), -0.5)),
        ["showers: voxels that are negative (2, the first in row 4), exp"],
    ),
    "low": (
        dict(showers=changed(VOXELS, (11, slice(648)), 0.015)),
        ["showers: voxels above zero but under the threshold (648, 0.0017 of all, the first in row 11), exp"],
    ),
    "zero energy": (
        dict(incident_energies=changed(ENERGIES, 3, 0)),
        ["energies that are not finite and above zero (1, the first in row 3), exp"],
    ),
    "nan energy": (
        dict(incident_energies=changed(ENERGIES, 4, np.nan)),
        ["energies that are not finite and above zero (1, the first in row 4), exp"],
    ),
    "energy": (
        dict(incident_energies=changed(ENERGIES, 6, 990)),
        ["incident_energies: energies such as 990 MeV (1, the first in row 6), expected 1e3 to 1e6 MeV"],
    ),
    "all energies in GeV": (
        dict(incident_energies=ENERGIES * 1e-3, showers=VOXELS * 1e-3),
        ["MeV, which looks like GeV (60, the first in row 0)", "showers: ", "under the threshold"],
    ),
    "incident energies in GeV": (
        dict(incident_energies=ENERGIES * 1e-3),
        [
            "MeV, which looks like GeV (60, the first in row 0)",
            "energy 900, which looks like incident energies in GeV, expected",
        ],
    ),
    "fractions": (
        dict(showers=VOXELS / ENERGIES),
        [
            "under the threshold",
            "showers: median of the voxels' sum over the incident energy",
            "looks like fractions of",
        ],
    ),
    "empty": (
        dict(showers=changed(VOXELS, slice(20, 30), 0)),
        ["showers: showers without energy (10, the first in row 20), expected fewer than 10% of them"],
    ),
    "several": (
        dict(incident_energies=changed(ENERGIES, 1, -1), showers=changed(VOXELS, ([2, 3], 0), [np.nan, -1])),
        [
            "above zero (1, the first in row 1)",
            "float32 (1, the first in row 2)",
            "negative (1, the first in row 3)",
        ],
    ),
}


@pytest.mark.parametrize("content, expected", BAD.values(), ids=BAD.keys())
def test_faults(tmp_path, content, expected, monkeypatch):
    """Every fault is told, in slices of some rows too, and no other."""
    path = write(tmp_path / "f.hdf5", **GOOD | content)
    faults = submission.check(path, "2").faults
    assert all(line.startswith(str(path)) and ", expected " in line and "\n" not in line for line in faults)
    text = "\n".join(faults)
    places = [text.index(words) for words in expected]
    assert places == sorted(places)
    assert len({text[:place].count("\n") for place in places}) == len(faults)
    monkeypatch.setattr(submission, "SLICE_BYTES", 7 * 8 * 6480)
    assert submission.check(path, "2").faults == faults


@every_dataset
def test_a_good_file_has_no_fault(tmp_path, dataset):
    path = write(tmp_path / "f.hdf5", **good(dataset))
    faults, remarks = submission.check(path, dataset)
    assert not faults
    count = f"{COUNTS[dataset]:,}" + (" or 50,000" if dataset == "3" else "")
    assert remarks == (f"{path}: 60 showers, the challenge has {count}",)


def test_rounded_energies_and_a_group(tmp_path):
    """Energies at both ends, from float32 logarithms; a voxel at the threshold; the geometry that hepjax writes."""
    energies = 10 ** np.log10(np.array([1e3, 1e6] * 30, np.float32))[:, None] * np.float32(1 + 1e-5)
    voxels = changed(VOXELS, (0, 0), np.float32(0.5e-3 / 0.033))
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        group = file.create_group("a")
        group.update({"incident_energies": energies, "showers": voxels})
        group.attrs["geometry"] = "calochallenge_2"
    assert not submission.check(f"{tmp_path}/f.hdf5:a", "2").faults


def test_another_geometry(tmp_path):
    path = write(tmp_path / "f.hdf5", {"geometry": "calochallenge_3"}, **GOOD)
    faults, _ = submission.check(path, "2")
    assert faults == (f"{path}: attribute geometry is calochallenge_3, expected calochallenge_2 or none",)


def test_what_hepjax_writes_is_valid(tmp_path):
    showers.write(tmp_path / "f.hdf5", showers.read(write(tmp_path / "g.hdf5", **GOOD)))
    assert not submission.check(tmp_path / "f.hdf5", "2").faults


def test_energies_of_set_1_are_powers_of_two(tmp_path):
    content = good("1-pions")
    energies = changed(content["incident_energies"], (slice(5, 8), 0), [128, 300, 2.0**23])
    path = write(tmp_path / "f.hdf5", **content | dict(incident_energies=energies))
    (fault,) = submission.check(path, "1-pions").faults
    assert "energies such as 128 MeV (3, the first in row 5), expected powers of two from 2^8 to 2^22 MeV" in fault
    path = write(tmp_path / "f.hdf5", **content | dict(incident_energies=content["incident_energies"] * 1e-3))
    assert "which looks like GeV (" in submission.check(path, "1-pions").faults[0]


def test_voxels_in_other_units(tmp_path):
    """Of set 1, whose voxels have no threshold of the read-out that would speak too."""
    content = good("1-photons")
    voxels, energies = content["showers"], content["incident_energies"]
    for wrong, words in ((voxels * 1e-3, "voxels in GeV"), (voxels / energies, "fractions of the incident energy")):
        path = write(tmp_path / "f.hdf5", **content | dict(showers=wrong))
        (fault,) = submission.check(path, "1-photons").faults
        assert f"which looks like {words}, expected 0.1 to 3 of energies in MeV" in fault


def test_remarks(tmp_path):
    """Set 1's threshold is one of the metrics, and some pions leave nothing."""
    content = good("1-pions")
    voxels = changed(changed(content["showers"], (3, slice(10, 20)), 0.5), 4, 0)
    path = write(tmp_path / "f.hdf5", **content | dict(showers=voxels))
    faults, (count, empty, low) = submission.check(path, "1-pions")
    assert not faults
    assert "60 showers, the challenge has 120,800" in count
    assert empty == f"{path}:showers: 0.017 of the showers have no energy"
    assert "0.00031 of the voxels are above zero but under the threshold of 1 MeV" in low


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match=r"none\.hdf5: no such file, expected an HDF5 file"):
        submission.check(tmp_path / "none.hdf5", "2")
    with pytest.raises(InputError, match=r"f\.hdf5:b: no such group"):
        submission.check(f"{write(tmp_path / 'f.hdf5', **GOOD)}:b", "2")
    with pytest.raises(InputError, match="data set '4' of the CaloChallenge, expected one of 1-photons, 1-pions, 2, 3"):
        submission.check(tmp_path / "f.hdf5", "4")


def test_memory_is_that_of_a_slice(tmp_path, monkeypatch):
    """20,000 showers of 368 voxels are 29 MB; slices of 1 MiB in float64 and their masks take less than 4 MB."""
    rng = np.random.default_rng(0)
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file["incident_energies"] = 2.0 ** rng.integers(8, 23, (20_000, 1))
        file.create_dataset("showers", (20_000, 368), "float32", chunks=(500, 368), compression="lzf")[:] = 1
    monkeypatch.setattr(submission, "SLICE_BYTES", 1 << 20)
    done = []
    tracemalloc.start()
    submission.check(tmp_path / "f.hdf5", "1-photons", done.append)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6
    assert done == sorted(done) and done[-1] == 1
