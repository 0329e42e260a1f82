"""Reading and writing showers: the round trip, and one clear line for everything that can be wrong."""

import resource
import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

from hepjax.data import Address, addresses, geometry, samples, showers
from hepjax.types import Geometry, InputError, Showers


def raw(path, group="/", **data):
    """An HDF5 file with the data sets as they are, good or bad."""
    good = {"incident_energies": np.full((4, 1), 5e4, np.float32), "showers": np.ones((4, 100), np.float32)}
    with h5py.File(path, "w") as file:
        for key, values in (good | data).items():
            if values is not None:
                file.require_group(group)[key] = values
    return path


def changed(values, index, value):
    """A copy with one element replaced."""
    copy = np.array(values)
    copy[index] = value
    return copy


ENERGIES, VOXELS = np.full((4, 1), 5e4, np.float32), np.ones((4, 100), np.float32)
BAD = {
    "missing energies": (dict(incident_energies=None), "bad.hdf5:incident_energies: missing key"),
    "missing showers": (dict(showers=None), "bad.hdf5:showers: missing key"),
    "width": (dict(showers=np.ones((4, 99))), "99 voxels a shower, expected 100 for geometry crystals_10x10"),
    "nan": (dict(showers=changed(VOXELS, (2, 7), np.nan)), "showers: nan MeV in row 2"),
    "inf": (dict(showers=changed(VOXELS, (3, 0), np.inf)), "showers: inf MeV in row 3"),
    "minus inf": (dict(showers=changed(VOXELS, (3, 0), -np.inf)), "showers: -inf MeV in row 3"),
    "over float32": (dict(showers=changed(VOXELS.astype(float), (1, 0), 1e300)), "showers: inf MeV in row 1"),
    "negative": (dict(showers=changed(VOXELS, (1, 5), -0.5)), "showers: -0.5 MeV in row 1"),
    "none": (dict(showers=VOXELS[:0], incident_energies=ENERGIES[:0]), "zero showers, expected at least one"),
    "lengths": (dict(incident_energies=ENERGIES[:3]), "3 incident_energies but 4 showers"),
    "zero energy": (dict(incident_energies=changed(ENERGIES, 2, 0.0)), "incident_energies: 0.0 MeV in row 2"),
    "negative energy": (dict(incident_energies=changed(ENERGIES, 0, -1.0)), "incident_energies: -1.0 MeV in row 0"),
    "nan energy": (dict(incident_energies=changed(ENERGIES, 1, np.nan)), "incident_energies: nan MeV in row 1"),
    "strings": (dict(showers=np.full((4, 100), b"1.0")), "showers: type |S3, expected numbers"),
    "complex": (dict(showers=VOXELS.astype(complex)), "showers: type complex128, expected numbers"),
    "scalar": (dict(showers=np.float32(1.0)), "showers: shape (), expected (showers, voxels)"),
    "one axis": (dict(showers=np.ones(100)), "showers: shape (100,), expected (showers, voxels)"),
    "three axes": (dict(showers=np.ones((4, 10, 10))), "showers: shape (4, 10, 10), expected (showers, voxels)"),
    "energy axes": (dict(incident_energies=np.ones((4, 2))), "shape (4, 2), expected (showers, 1)"),
}


@pytest.mark.parametrize("data, expected", BAD.values(), ids=BAD.keys())
def test_bad_content_is_one_line(tmp_path, data, expected):
    with pytest.raises(InputError) as error:
        showers.read(raw(tmp_path / "bad.hdf5", **data), geometry="crystals_10x10")
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path / "bad.hdf5") in str(error.value)


def test_cells_alone_pass_every_check_of_theirs_and_no_other(tmp_path):
    """The same words as from `read` for bad cells; bad or missing energies are not looked at."""
    for name, (data, expected) in BAD.items():
        path = raw(tmp_path / f"{name}.hdf5", **data)
        if "showers" in data and name not in ("missing showers", "none"):
            with pytest.raises(InputError) as error:
                showers.read_voxels(path, "crystals_10x10")
            assert expected in str(error.value) and "\n" not in str(error.value)
        elif "showers" not in data:
            np.testing.assert_array_equal(showers.read_voxels(path, "crystals_10x10"), VOXELS)
    with pytest.raises(InputError, match=r"missing key showers, expected showers \(found: inc"):
        showers.read_voxels(tmp_path / "missing showers.hdf5", "crystals_10x10")
    with pytest.raises(InputError, match="zero showers, expected at least one"):
        showers.read_voxels(tmp_path / "none.hdf5", "crystals_10x10")


def test_energies_alone_pass_every_check_of_theirs_and_no_other(tmp_path):
    for name, (data, expected) in BAD.items():
        path = raw(tmp_path / f"{name}.hdf5", **data)
        if "incident_energies" not in data:
            np.testing.assert_array_equal(showers.read_energies(path), ENERGIES[:, 0])
        elif name not in ("missing energies", "none", "lengths"):
            with pytest.raises(InputError) as error:
                showers.read_energies(path)
            assert expected in str(error.value) and "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"missing key .*, expected incident_energies \(found: showers"):
        showers.read_energies(tmp_path / "missing energies.hdf5")
    with pytest.raises(InputError, match="zero energies, expected at least one"):
        showers.read_energies(tmp_path / "none.hdf5")


def test_layered_geometry_is_recognised_and_round_trips(tmp_path, rng):
    cells = rng.gamma(0.2, 50, size=(4, 504)).astype(np.float32)
    read = showers.read(raw(tmp_path / "f.hdf5", showers=cells))
    assert read.geometry == geometry.named("lar_3layers")
    assert [layer.voxels for layer in read.geometry.layers] == [288, 144, 72] and read.geometry.voxels == 504
    assert all(n * p == 480 for layer in read.geometry.layers for n, p in zip(layer.shape, layer.pitch_mm, strict=True))
    showers.write(tmp_path / "g.hdf5", read)
    assert showers.read(tmp_path / "g.hdf5").geometry == read.geometry
    for voxels in (np.ones((4, 503)), np.ones((4, 100))):
        with pytest.raises(InputError, match="voxels a shower, expected 504 for geometry lar_3layers"):
            showers.read_voxels(raw(tmp_path / "f.hdf5", showers=voxels), "lar_3layers")


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.hdf5: no such file"):
        showers.read(f"{tmp_path}/none.hdf5:fast/train")


def test_folder(tmp_path):
    with pytest.raises(InputError, match="is a folder, expected an HDF5 file"):
        showers.read(tmp_path)


def test_not_hdf5(tmp_path):
    (tmp_path / "note.hdf5").write_text("energies: 1, 2, 3")
    with pytest.raises(InputError, match="not an HDF5 file"):
        showers.read(tmp_path / "note.hdf5")


def test_truncated_file(tmp_path):
    path = raw(tmp_path / "cut.hdf5")
    path.write_bytes(path.read_bytes()[:1500])
    with pytest.raises(InputError, match=r"cannot be read \(truncated file.*\), expected a whole HDF5 file"):
        showers.read(path)


def test_missing_group_lists_what_there_is(tmp_path):
    path = raw(tmp_path / "f.hdf5", group="fast/train")
    with pytest.raises(InputError, match=r"f\.hdf5:fast/test: no such group, .*fast/train"):
        showers.read(f"{path}:fast/test")
    with pytest.raises(
        InputError, match=r"fast/train/showers: is a data set, expected the group that holds incident_energies"
    ):
        showers.read(f"{path}:fast/train/showers")


def test_group_in_the_address_is_read(tmp_path):
    path = raw(tmp_path / "f.hdf5", group="fast/train")
    assert len(showers.read(f"{path}:/fast/train/")) == 4


def test_unknown_geometry(tmp_path):
    path = raw(tmp_path / "f.hdf5")
    with pytest.raises(InputError, match=r"f\.hdf5: unknown geometry 'ball', expected one of crystals_10x10"):
        showers.read(path, geometry="ball")
    with h5py.File(path, "a") as file:
        file.attrs["geometry"] = "tube"
    with pytest.raises(InputError, match="unknown geometry 'tube'"):
        showers.read(path)


def test_geometry_that_cannot_be_inferred(tmp_path):
    with pytest.raises(InputError, match="no known geometry has 7 voxels"):
        showers.read(raw(tmp_path / "f.hdf5", showers=np.ones((4, 7))))


def test_geometry_other_than_the_files_own(tmp_path, tiny_showers):
    showers.write(tmp_path / "f.hdf5", tiny_showers)
    with pytest.raises(InputError, match="geometry crystals_3x4, expected crystals_4x3"):
        showers.read(tmp_path / "f.hdf5", geometry="crystals_4x3")


def test_given_geometry_needs_no_name(tmp_path):
    given = Geometry("my_prototype", (20, 5))
    assert showers.read(raw(tmp_path / "f.hdf5"), geometry=given).geometry == given


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int32])
def test_other_numbers_become_float32(tmp_path, dtype):
    read = showers.read(raw(tmp_path / "f.hdf5", showers=VOXELS.astype(dtype), incident_energies=ENERGIES[:, 0]))
    assert read.voxels.dtype == read.incident_energy.dtype == np.float32
    assert type(read.voxels) is np.ndarray
    assert read.geometry.name == "crystals_10x10"


def test_round_trip(tmp_path, tiny_showers):
    showers.write(tmp_path / "f.hdf5", tiny_showers, {"generator": "made up"})
    read = showers.read(tmp_path / "f.hdf5")
    np.testing.assert_array_equal(read.voxels, tiny_showers.voxels)
    np.testing.assert_array_equal(read.incident_energy, tiny_showers.incident_energy)
    assert read.geometry == tiny_showers.geometry
    with h5py.File(tmp_path / "f.hdf5") as file:
        assert file.attrs["generator"] == "made up"
        assert file["incident_energies"].shape == (32, 1)
        assert file["showers"].compression == "gzip"


def test_several_groups_and_a_group_of_the_address(tmp_path, tiny_showers):
    path = tmp_path / "f.hdf5"
    showers.write(f"{path}:fast", {"train": tiny_showers, "test": tiny_showers[:5]})
    assert len(showers.read(f"{path}:fast/train")) == 32
    assert len(showers.read(f"{path}:fast/test")) == 5


@pytest.mark.parametrize("index, value", [((0, 0), np.nan), ((1, 3), -1.0)])
def test_what_could_not_be_read_is_not_written(tmp_path, tiny_showers, index, value):
    bad = Showers(tiny_showers.incident_energy, changed(tiny_showers.voxels, index, value), tiny_showers.geometry)
    with pytest.raises(InputError, match=r"f\.hdf5:showers: .* in row"):
        showers.write(tmp_path / "f.hdf5", bad)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_leaves_nothing(tmp_path):
    """A limit on the size of files, set in a process of its own, fails the write half way as a full disk does."""
    (tmp_path / "old.hdf5").write_bytes(b"old")
    script = f"""
        import resource, signal
        from hepjax.data import samples, showers
        from hepjax.types import InputError
        sample = showers.read(samples.squirels("full/test"))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, {resource.getrlimit(resource.RLIMIT_FSIZE)[1]}))
        for name in ("new", "old"):
            try:
                showers.write(r"{tmp_path}/" + name + ".hdf5", sample)
            except InputError as error:
                print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == ["cannot be written (File too large)"] * 2
    assert [p.name for p in tmp_path.iterdir()] == ["old.hdf5"]
    assert (tmp_path / "old.hdf5").read_bytes() == b"old"


def test_folder_that_does_not_exist(tmp_path, tiny_showers):
    with pytest.raises(InputError, match=r"cannot be written \(No such file or directory\)"):
        showers.write(tmp_path / "none" / "f.hdf5", tiny_showers)


def test_colon_in_the_name_of_a_file(tmp_path):
    path = raw(tmp_path / "run:1.hdf5")
    assert len(showers.read(str(path))) == 4


def test_address_text_round_trips():
    for text in ("f.hdf5", "f.hdf5:fast/train"):
        assert str(addresses.parse(text)) == text
    with pytest.raises(InputError, match="names no file"):
        addresses.parse(":fast/train")


def test_embedded_sample():
    read = {g: showers.read(samples.squirels(g)) for g in ("fast/train", "full/train", "fast/test", "full/test")}
    assert [len(r) for r in read.values()] == [3000, 3000, 1000, 1000]
    for name in ("fast", "full"):
        cells = np.concatenate([read[f"{name}/train"].voxels, read[f"{name}/test"].voxels])
        assert len(np.unique(cells, axis=0)) == 4000, "train and test share showers"
    for sample in read.values():
        # Crystals of 27 radiation lengths, 11 Moliere radii wide: the electron's energy stays inside.
        assert np.median(sample.voxels.sum(axis=1) / sample.incident_energy) == pytest.approx(0.995, abs=0.002)
        assert (sample.voxels == 0).any()
    address = samples.squirels()
    assert address.path.stat().st_size < 4e6
    with h5py.File(address.path) as file:
        needed = {"detector", "units", "generator_fast", "generator_full", "licence", "seed", "source_groups", "date"}
        assert needed <= set(file.attrs)
        assert "test" not in file.attrs["source_groups"]


def test_address_is_its_own_parse():
    address = Address("f.hdf5", "g")
    assert addresses.parse(address) is address


def test_cells_in_memory_are_checked_without_energies(tiny_showers):
    showers.check_voxels(tiny_showers.voxels, tiny_showers.geometry)
    with pytest.raises(InputError, match="showers: nan MeV in row 1, expected finite energies"):
        showers.check_voxels(changed(tiny_showers.voxels, (1, 2), np.nan), tiny_showers.geometry)
    with pytest.raises(InputError, match="12 voxels a shower, expected 504"):
        showers.check_voxels(tiny_showers.voxels, geometry.named("lar_3layers"))
