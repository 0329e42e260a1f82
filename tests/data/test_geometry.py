"""The CaloChallenge's geometries, their binning files, and the features that count on them."""

from pathlib import Path

import numpy as np
import pytest

from hepjax.data import geometry, showers
from hepjax.data.binning import read_binning
from hepjax.metrics import calorimeter
from hepjax.types import InputError, PolarLayer, Showers

OFFICIAL = Path(__file__).parents[3] / "shared/data/calochallenge"
VOXELS = {"1_photons": 368, "1_pions": 533, "2": 6480, "3": 40500}
FEATURES = {"1_photons": 30, "1_pions": 46, "2": 362, "3": 362}
every_dataset = pytest.mark.parametrize("dataset", VOXELS)

SMALL = """
<Bins>
  <Bin pid="22" name="photon">
    <Layer id="0" r_edges="0,1.5,4" n_bin_alpha="1" />
    <Layer id="1" r_edges="0" n_bin_alpha="1" />
    <Layer id="12" r_edges="0,10,30" n_bin_alpha="4" />
  </Bin>
  <Bin pid="211">
    <Layer id="3" r_edges="0,2" n_bin_alpha="2" />
    <Layer id="4" r_edges="0,3" n_bin_alpha="2" />
  </Bin>
</Bins>
"""


def challenge(dataset):
    return geometry.named(f"calochallenge_{dataset}")


@every_dataset
def test_the_official_binnings(dataset):
    """Edges, bins of alpha and numbers of the layers are those of the challenge's own file, to the last bit."""
    path = OFFICIAL / f"binning_dataset_{dataset}.xml"
    if not path.exists():
        pytest.skip("the challenge's files are not here")
    ours = challenge(dataset)
    assert read_binning(path, name=ours.name, threshold_mev=ours.threshold_mev) == ours


@every_dataset
def test_voxels(dataset):
    ours = challenge(dataset)
    assert ours.voxels == sum(layer.voxels for layer in ours.polar) == VOXELS[dataset]
    assert ours == geometry.infer(VOXELS[dataset])


def test_numbers_and_thresholds():
    assert [layer.number for layer in challenge("1_photons").polar] == [0, 1, 2, 3, 12]
    assert [layer.number for layer in challenge("1_pions").polar] == [0, 1, 2, 3, 12, 13, 14]
    assert [layer.number for layer in challenge("3").polar] == list(range(45))
    assert [challenge(dataset).threshold_mev for dataset in VOXELS] == pytest.approx([1, 1, 1 / 66, 1 / 66])
    assert challenge("2").polar[0].r_edges_mm[-1] == challenge("3").polar[0].r_edges_mm[-1] == 41.85


@pytest.mark.parametrize("particle", ["photon", "22"])
def test_a_binning_file(tmp_path, particle):
    (tmp_path / "small.xml").write_text(SMALL)
    read = read_binning(tmp_path / "small.xml", particle, threshold_mev=0.5)
    layers = (PolarLayer((0, 1.5, 4), alpha_bins=1, number=0), PolarLayer((0, 10, 30), alpha_bins=4, number=12))
    assert read == geometry.polar("small", layers, threshold_mev=0.5)
    assert read.shape == (10,)


def test_equal_layers_unroll_from_a_grid(tmp_path):
    (tmp_path / "small.xml").write_text(SMALL)
    read = read_binning(tmp_path / "small.xml", "211", name="pion")
    assert read.name == "pion" and read.shape == (2, 2, 1) and read.polar[0].r_edges_mm == (0, 2)


def replaced(*old_and_new):
    """The binning of the photon alone, with parts replaced."""
    text = SMALL[: SMALL.index('  <Bin pid="211"')] + "</Bins>"
    for old, new in old_and_new:
        assert old in text
        text = text.replace(old, new)
    return text


BROKEN = {
    "no XML": ("layers: 3", "small.xml: not XML (syntax error"),
    "cut": (SMALL[:100], "small.xml: not XML ("),
    "encoding": ('<?xml version="1.0" encoding="ebcdic-7"?>' + SMALL.strip(), "small.xml: not XML ("),
    "no Bin": ("<Bins></Bins>", "Bin of particles none, expected one"),
    "several": (SMALL, "Bin of particles photon, 211, expected one, or a choice by the option particle"),
    "no layers": ("<Bins><Bin/></Bins>", "layers [] are read out, expected one or more"),
    "all empty": (replaced(("0,1.5,4", "0"), ("0,10,30", "0")), "layers [] are read out, expected one or more"),
    "twice": (replaced(('id="12"', 'id="0"')), "layers [0, 0] are read out, expected one or more, each once"),
    "no id": (replaced(('id="12"', "")), "layer None: no attribute id, expected an integer"),
    "id": (replaced(('id="12"', 'id="em"')), "layer em: id is 'em', expected an integer"),
    "no edges": (replaced(('r_edges="0,10,30"', "")), "layer 12: no attribute r_edges, expected numbers in mm"),
    "words": (replaced(("0,10,30", "0,ten")), "layer 12: r_edges is '0,ten', expected numbers in mm"),
    "empty edges": (replaced(("0,10,30", "")), "layer 12: r_edges is '', expected numbers in mm"),
    "not rising": (replaced(("0,10,30", "0,30,10")), "layer 12: r_edges 0,30,10, expected rising"),
    "equal": (replaced(("0,10,30", "0,10,10")), "layer 12: r_edges 0,10,10, expected rising"),
    "negative": (replaced(("0,10,30", "-1,10")), "layer 12: r_edges -1,10, expected rising"),
    "nan": (replaced(("0,10,30", "0,nan,30")), "layer 12: r_edges 0,nan,30, expected rising"),
    "infinite": (replaced(("0,10,30", "0,inf")), "layer 12: r_edges 0,inf, expected rising"),
    "no bins": (replaced(('n_bin_alpha="4"', 'n_bin_alpha="0"')), "layer 12: n_bin_alpha is 0, expected at least 1"),
    "half a bin": (replaced(('n_bin_alpha="4"', 'n_bin_alpha="0.5"')), "layer 12: n_bin_alpha is '0.5', expected an"),
}


@pytest.mark.parametrize("text, expected", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_binning_file_is_one_line(tmp_path, text, expected):
    (tmp_path / "small.xml").write_text(text)
    with pytest.raises(InputError) as error:
        read_binning(tmp_path / "small.xml")
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "small.xml"))


def test_a_particle_that_is_not_there(tmp_path):
    (tmp_path / "small.xml").write_text(SMALL)
    with pytest.raises(InputError, match="particles photon, 211, expected the option particle kaon"):
        read_binning(tmp_path / "small.xml", "kaon")
    with pytest.raises(InputError, match=r"none\.xml: no such file, expected a binning file"):
        read_binning(tmp_path / "none.xml")


def test_centres_by_hand():
    """Two rings of middles 1 and 4 mm in four quarters of middles -3, -1, 1, 3 times pi / 4; r runs fastest."""
    eta, phi, r = calorimeter.centres(PolarLayer((0.0, 2.0, 6.0), alpha_bins=4, number=0))
    half = np.sqrt(0.5)
    np.testing.assert_allclose(r, [1, 4] * 4)
    np.testing.assert_allclose(eta, half * np.array([-1, -4, 1, 4, 1, 4, -1, -4]), rtol=1e-14)
    np.testing.assert_allclose(phi, half * np.array([-1, -4, -1, -4, 1, 4, 1, 4]), rtol=1e-14)


def test_a_ring_is_one_bin_at_alpha_zero():
    """As the challenge's own centres: the middle of -pi and pi is 0, so that eta is r."""
    eta, phi, r = calorimeter.centres(challenge("1_photons").polar[0])
    np.testing.assert_array_equal(r, [2.5, 7.5, 20, 40, 75, 150, 300, 500])
    np.testing.assert_array_equal(eta, r)
    np.testing.assert_array_equal(phi, 0)


def test_centres_of_set_2():
    eta, phi, r = calorimeter.centres(challenge("2").polar[44]).reshape(3, 16, 9)
    np.testing.assert_allclose(r, np.broadcast_to(4.65 * (np.arange(9) + 0.5), (16, 9)), rtol=1e-14)
    angle = -np.pi + (np.arange(16) + 0.5) * np.pi / 8
    np.testing.assert_allclose(np.arctan2(phi, eta), np.broadcast_to(angle[:, None], (16, 9)), rtol=1e-13)


def some_showers(dataset, n=3):
    rng = np.random.default_rng(0)
    voxels = rng.exponential(size=(n, VOXELS[dataset])).astype(np.float32)
    return Showers(np.full(n, 4096, np.float32), voxels, challenge(dataset))


@every_dataset
def test_features_of_a_shower(dataset):
    sample = some_showers(dataset)
    features = calorimeter.batched_features([sample])
    assert calorimeter.feature_vector(features, sample.geometry).shape == (3, FEATURES[dataset])


@every_dataset
def test_files_keep_their_geometry(tmp_path, dataset):
    sample = some_showers(dataset)
    showers.write(tmp_path / "f.hdf5", sample)
    read = showers.read(tmp_path / "f.hdf5")
    assert read.geometry == sample.geometry
    np.testing.assert_array_equal(read.voxels, sample.voxels)
    with showers.opened(tmp_path / "f.hdf5", sample.geometry) as stored:
        np.testing.assert_array_equal(stored[1:].voxels, sample.voxels[1:])
    with pytest.raises(InputError, match=f"geometry calochallenge_{dataset}, expected lar_3layers"):
        showers.read(tmp_path / "f.hdf5", "lar_3layers")
