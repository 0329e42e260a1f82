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


def equal(a, b) -> None:
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12)


def test_a_scale_of_energies_shows_and_the_baseline_does_not():
    found = evaluate(toy(0), {"scaled": toy(1, scale=1.3)}, toy(2), asked=("separation", "fpd"))
    assert (found.generated, found.baseline, found.counts["scaled"]) == (("scaled",), "baseline", 200)
    response = {name: found.scores[name]["separation"]["etot_over_einc"] for name in ("scaled", "baseline")}
    assert response["scaled"]["separation"] > response["scaled"]["separation_floor_99"]
    assert response["baseline"]["separation"] < response["baseline"]["separation_floor_99"]
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
    assert voxels.counts.sum() == (np.asarray(toy(1).voxels) >= TOY.threshold_mev).sum() - beyond(windows, toy(1))


def beyond(comparison, sample) -> int:
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
    cut = [Showers(s.incident_energy, np.where(s.voxels < 50, 0, s.voxels), TOY) for s in (toy(0), toy(1))]
    equal(evaluate(toy(0), {"one": toy(1)}, limits=limits).scores, evaluate(cut[0], {"one": cut[1]}).scores)


def test_little_memory_takes_the_first_showers_and_says_so():
    bytes_each = 2 * calochallenge_samples.COPIES * 4 * TOY.voxels
    limits = calochallenge_samples.Limits(memory_gib=120 * bytes_each / 2**30)
    found = evaluate(toy(0), {"one": toy(1)}, asked=("prdc",), limits=limits)
    assert found.notes == {"prdc": "the first 120 showers of each sample, of 200"}
    equal(found.scores, evaluate(toy(0)[:120], {"one": toy(1)[:120]}, asked=("prdc",)).scores)


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
