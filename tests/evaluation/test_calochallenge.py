"""The evaluation of the CaloChallenge on a toy calorimeter: what it reads, what it finds, and what it refuses."""

import jax
import numpy as np
import pytest

from hepjax import data, evaluation, metrics
from hepjax.data import geometry as geometries
from hepjax.evaluation import calochallenge_samples
from hepjax.evaluation.calochallenge_config import Config
from hepjax.metrics import calorimeter
from hepjax.types import InputError, PolarLayer, Showers

EDGES = (0.0, 5.0, 10.0, 20.0)
TOY = geometries.polar("toy", [PolarLayer(EDGES, 4, number) for number in range(3)], threshold_mev=0.1)
TINY = Config(hidden=(16,), epochs=2, cnn_widths=(2,), steps=4)
QUICK = ("separation", "kpd", "prdc")


def toy(seed: int, n: int = 200, scale: float = 1.0) -> Showers:
    """Independent voxels, half of them empty, that share the incident energy."""
    rng = np.random.default_rng(seed)
    energy = 10 ** rng.uniform(3, 5, n)
    shares = np.where(rng.random((n, TOY.voxels)) < 0.5, rng.gamma(2.0, 1.0, (n, TOY.voxels)), 0)
    voxels = scale * energy[:, None] * shares / TOY.voxels
    return Showers(energy.astype(np.float32), voxels.astype(np.float32), TOY)


def evaluate(reference, generated, baseline=None, asked=QUICK, **more):
    key = jax.random.key(0)
    return evaluation.calochallenge.evaluate(key, "2", reference, generated, baseline, asked=asked, config=TINY, **more)


def beyond(row) -> bool:
    return row["separation_all"] > row["separation_all_floor_99"]


def equal(a, b) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def test_a_scale_of_energies_shows_and_the_baseline_does_not():
    found = evaluate(toy(0), {"scaled": toy(1, scale=1.3)}, toy(2), asked=("separation", "fpd"))
    assert (found.generated, found.baseline, found.counts["scaled"]) == (("scaled",), "baseline", 200)
    response = {name: found.scores[name]["separation"]["etot_over_einc"] for name in ("scaled", "baseline")}
    assert beyond(response["scaled"]) and not beyond(response["baseline"])
    assert found.scores["scaled"]["fpd"] > found.scores["baseline"]["fpd"] + found.scores["scaled"]["fpd_error"]


def test_numbers_are_those_of_the_metrics():
    reference, generated = toy(0), toy(1)
    found = evaluate(reference, {"one": generated}, asked=("fpd", "kpd", "prdc")).scores["one"]
    vectors = [calorimeter.feature_vector(calorimeter.batched_features([s]), TOY) for s in (reference, generated)]
    assert found["fpd"] == pytest.approx(1e3 * metrics.fpd(*vectors).value, rel=1e-9)
    assert found["kpd_error"] == pytest.approx(1e3 * metrics.kpd(*vectors).error, rel=1e-9)
    nearest = metrics.prdc(*(metrics.log_voxels(np.asarray(s.voxels)) for s in (reference, generated)))
    assert found["coverage"] == nearest.coverage.value


def test_histograms_average_and_counts(monkeypatch):
    """Windows of 64 showers give what one of 200 does."""
    whole = evaluate(toy(0), {"one": toy(1)})
    monkeypatch.setattr(calochallenge_samples, "WINDOW", 64)
    windows = evaluate(toy(0), {"one": toy(1)})
    equal(whole.scores, windows.scores)
    equal([d.histograms for d in whole.distributions], [d.histograms for d in windows.distributions])
    np.testing.assert_allclose(windows.average["one"], np.mean(toy(1).voxels, 0, dtype=np.float64), rtol=1e-12)
    voxels = windows.distributions[-1].histograms["one"]
    assert voxels.counts.sum() == (np.asarray(toy(1).voxels) >= TOY.threshold_mev).sum() - above(windows, toy(1))


def above(comparison, sample) -> int:
    """Voxels above the largest of the reference."""
    return int((np.asarray(sample.voxels) > comparison.distributions[-1].histograms["one"].edges[-1]).sum())


def test_files_are_as_good_as_memory(tmp_path):
    path = tmp_path / "showers.hdf5"
    data.showers.write(path, {"a": toy(0), "b": toy(1)})
    with data.showers.opened(f"{path}:a", TOY) as reference, data.showers.opened(f"{path}:b", TOY) as generated:
        equal(evaluate(reference, {"b": generated}).scores, evaluate(toy(0), {"b": toy(1)}).scores)


def test_all_classifiers_and_the_log_posterior(fast_compilation):
    asked = ("low", "low_normed", "high", "cnn", "multiclass")
    found = evaluate(toy(0), {"one": toy(1), "other": toy(2, scale=2.0)}, asked=asked)
    names = [f"{kind}_{name}" for kind in ("auc", "jsd") for name in ("low", "low_normed", "high", "cnn")]
    for score in found.scores.values():
        assert set(score) == {*names, *(f"{n}_error" for n in names), "log_posterior", "log_posterior_error"}
    assert sum(np.exp(score["log_posterior"]) for score in found.scores.values()) <= 1 + 1e-6


def test_a_threshold_is_applied_to_all_samples():
    limits = calochallenge_samples.Limits(threshold_mev=50.0)
    found = evaluate(toy(0), {"one": toy(1)}, limits=limits)
    equal(found.scores, evaluate(cut(toy(0), 50), {"one": cut(toy(1), 50)}).scores)
    assert found.threshold_mev == 50


def cut(sample: Showers, threshold_mev: float) -> Showers:
    voxels = np.where(sample.voxels < threshold_mev, np.float32(0), sample.voxels)
    return Showers(sample.incident_energy, voxels, sample.geometry)


def test_the_threshold_of_the_geometry_holds_unless_told_otherwise():
    """Noise below it, which published samples had not, changes nothing; without a threshold it shows."""
    rng = np.random.default_rng(3)
    quiet = toy(1)
    noise = np.where(quiet.voxels == 0, rng.uniform(0, 0.09, quiet.voxels.shape), quiet.voxels)
    noisy = Showers(quiet.incident_energy, noise.astype(np.float32), TOY)
    asked, nothing = ("fpd", "prdc"), calochallenge_samples.Limits(threshold_mev=0.0)
    clean = evaluate(toy(0), {"one": toy(1)}, asked=asked)
    equal(evaluate(toy(0), {"one": noisy}, asked=asked).scores, clean.scores)
    raw = evaluate(toy(0), {"one": noisy}, asked=asked, limits=nothing)
    assert (clean.threshold_mev, raw.threshold_mev) == (0.1, 0.0)
    # No voxel is empty then: three sparsities of one half move to zero, in units of their largest.
    assert raw.scores["one"]["fpd"] > clean.scores["one"]["fpd"] + 300


def test_samples_in_order_are_not_cut_to_their_first_rows():
    """A file in order of energy, three times as long and more than the memory holds, scores as in any other order.

    Within five standard errors of recall and AUC; of its first rows recall would be half of that.
    """
    ordered, limits = toy(1, n=600), calochallenge_samples.Limits(memory_gib=memory_for(150))
    ordered = ordered[np.argsort(ordered.incident_energy)]
    found = evaluate(toy(0), {"one": ordered}, asked=("prdc", "high"), limits=limits)
    score, expected = found.scores["one"], evaluate(toy(0), {"one": toy(1)}, asked=("prdc",), limits=limits)
    assert abs(score["recall"] - expected.scores["one"]["recall"]) < 5 * score["recall_error"]
    assert abs(score["auc_high"] - 0.5) <= 5 * score["auc_high_error"]
    assert found.notes["prdc"] == (
        "150 showers of the 200 of reference, drawn at random; 150 showers of the 600 of one, drawn at random"
    )
    assert "200 showers of the 600 of one, drawn at random" in found.notes["high"]


def memory_for(showers: int) -> float:
    """GiB that hold so many showers of each of two samples."""
    return showers * 2 * calochallenge_samples.COPIES * 4 * TOY.voxels / 2**30


def test_little_memory_takes_random_showers():
    limits = calochallenge_samples.Limits(memory_gib=memory_for(120))
    found = evaluate(toy(0), {"one": toy(1)}, asked=("prdc",), limits=limits)
    rows = metrics.subset(200, 120)
    equal(found.scores, evaluate(toy(0)[rows], {"one": toy(1)[rows]}, asked=("prdc",)).scores)


def test_what_lies_outside_the_bins_counts():
    """Half of the showers empty, or a response of 0.3: beyond the floor, and the share outside is told."""
    half = np.arange(200) % 2 == 0
    empty = Showers(toy(1).incident_energy, np.where(half[:, None], np.float32(0), toy(1).voxels), TOY)
    samples = {"empty": empty, "low": toy(1, scale=0.3), "lower": toy(1, scale=1e-9)}
    scores = evaluate(toy(0), samples, toy(2), asked=("separation",)).scores
    row = {name: score["separation"]["etot_over_einc"] for name, score in scores.items()}
    assert beyond(row["empty"]) and beyond(row["low"]) and not beyond(row["baseline"])
    assert row["empty"]["outside"] == pytest.approx(0.5 + 0.5 * row["baseline"]["outside"], abs=0.1)
    assert row["lower"]["separation"] == 1 and row["lower"]["outside"] == 1
    assert beyond(scores["empty"]["separation"]["energy_layer_0"])


def discrete(seed: int, energies=(256.0, 512.0, 1024.0), n: int = 200) -> Showers:
    """Showers of a few incident energies."""
    continuous = toy(seed, n)
    energy = np.resize(np.array(energies), n).astype(np.float32)
    return Showers(energy, (continuous.voxels * (energy / continuous.incident_energy)[:, None]).astype("f"), TOY)


def test_incident_energies_match_but_for_rounding():
    """Energies a rounding off give the numbers of exact ones."""
    exact = discrete(1)
    off = Showers(np.nextafter(exact.incident_energy, np.float32(0)), exact.voxels, TOY)
    found, expected = (evaluate(discrete(0), {"one": s}, asked=("separation",)).scores["one"] for s in (exact, off))
    names = [name for name in expected["separation"] if name.endswith("mev")]
    assert names == [f"etot_over_einc_{energy}mev" for energy in (256, 512, 1024)]
    for name in names:
        assert found["separation"][name] == expected["separation"][name]


def test_incident_energies_other_than_the_reference_s_are_refused():
    with pytest.raises(InputError, match=r"one: no showers of 1024 MeV, expected some as in the reference"):
        evaluate(discrete(0), {"one": discrete(1, (256.0, 512.0))})
    with pytest.raises(InputError, match=r"one: 66 showers of 1000 MeV and such, expected 256, 512, 1024 MeV"):
        evaluate(discrete(0), {"one": discrete(1, (256.0, 512.0, 1000.0))})


def test_small_samples_are_noted():
    notes = evaluate(toy(0), {"one": toy(1)}, asked=("fpd", "kpd")).notes
    assert set(notes) == {"fpd", "kpd"} and "published" in notes["fpd"]


@pytest.mark.parametrize(
    ("samples", "asked", "message"),
    [
        ({"few": toy(1, n=59)}, QUICK, "few: 59 showers, an evaluation needs at least 60"),
        ({"one": toy(1)}, ("multiclass",), "multiclass: one generated sample, expected at least two to compare"),
    ],
    ids=["few", "one class"],
)
def test_refused(samples, asked, message):
    with pytest.raises(InputError, match=message):
        evaluate(toy(0), samples, asked=asked)


def test_another_geometry_is_refused(tiny_showers):
    with pytest.raises(InputError, match="one: geometry crystals_3x4, expected toy as in the reference"):
        evaluate(toy(0), {"one": tiny_showers})
    with pytest.raises(InputError, match="reference: geometry crystals_3x4, expected one of the CaloChallenge"):
        evaluate(tiny_showers, {"one": tiny_showers})
