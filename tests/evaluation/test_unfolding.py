"""The comparison of unfolded samples: columns by name, weights, floors, one clear line for bad input."""

import jax
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from hepjax import evaluation
from hepjax.training import Config
from hepjax.types import Column, InputError, Measured, Unfolded

SHORT = Config(epochs=3, batch_size=200, validation=0.0)
COLUMNS = (Column("mass_gev", "GeV"), Column("charge"))


def sample(seed, shift=0.0, n=600, weight=None):
    rng = np.random.default_rng(seed)
    gen = np.stack([rng.normal(20 + 10 * shift, 8, size=n), rng.normal(shift, 1, size=n)], axis=1)
    return Unfolded(gen.astype(np.float32), np.ones(n) if weight is None else weight, COLUMNS)


def compare(samples, **others):
    return evaluation.unfolding.compare(jax.random.key(0), sample(0), samples, config=SHORT, **others)


@pytest.fixture(scope="module")
def comparison():
    rng = np.random.default_rng(1)
    other = sample(2, n=900)
    replicas = rng.poisson(1, size=(8, 900)).astype(float)
    turned = Unfolded(other.gen[:, ::-1], other.weight, COLUMNS[::-1], replicas)
    reco = sample(3, shift=0.5)
    prior = sample(4, shift=0.3, n=800, weight=np.where(rng.uniform(size=800) < 0.05, -1.0, 1.0))
    return compare({"method": other, "turned": turned}, reco=Measured(reco.gen, reco.weight, COLUMNS), prior=prior)


def test_samples_in_order(comparison):
    assert comparison.samples == ("truth", "reco", "prior", "method", "turned")
    assert list(comparison.metrics["scores"]) == ["reco", "prior", "method", "turned"]
    assert comparison.metrics["columns"] == ["mass_gev", "charge"]
    assert (
        comparison.metrics["samples"]["prior"]["effective_size"]
        < 800
        == comparison.metrics["samples"]["prior"]["events"]
    )


def test_columns_are_found_by_name(comparison):
    """The same events in another order of the columns give the same numbers."""
    method, turned = (comparison.metrics["scores"][name] for name in ("method", "turned"))
    assert method == turned


def test_distances_against_scipy_and_the_floor(comparison):
    truth, prior = sample(0), comparison.metrics["scores"]["prior"]["observables"]
    other = comparison.metrics["scores"]["method"]["observables"]
    for k, column in enumerate(COLUMNS):
        row = other[column.name]
        expected = wasserstein_distance(truth.gen[:, k], sample(2, n=900).gen[:, k])
        assert row["emd"] == pytest.approx(expected, rel=1e-6)
        assert row["emd"] < row["emd_floor_99"] and row["emd_ratio"] == pytest.approx(
            row["emd"] / row["emd_floor_mean"]
        )
        assert row["emd_bootstrap_mean"] > row["emd"] and row["emd_bootstrap_spread"] > 0
        assert row["triangular"] < row["triangular_floor_99"]
        assert prior[column.name]["emd"] > prior[column.name]["emd_floor_99"]


def test_auc_sees_what_differs(comparison):
    """Of one law: within 4 errors of a half. The reco sample at half a sigma in two observables: Phi(0.5) = 0.69."""
    scores = comparison.metrics["scores"]
    for classifier in ("auc_mlp", "auc_trees"):
        assert abs(scores["method"][classifier] - 0.5) < 4 * scores["method"][f"{classifier}_error"]
        assert scores["reco"][classifier] > 0.6 and scores["prior"][classifier] > 0.55


def test_replicas_widen_the_band(comparison):
    method, turned = (comparison.distributions[0].histograms[name] for name in ("method", "turned"))
    np.testing.assert_array_equal(method.counts, turned.counts)
    assert (turned.variance >= method.variance).all() and turned.variance.sum() > 1.5 * method.variance.sum()


BAD = {
    "other column": ({"a": sample(1), "b": Unfolded(sample(1).gen[:, :1], np.ones(600), COLUMNS[:1])}, "b: .*charge"),
    "shape": ({"a": Unfolded(sample(1).gen[:, :1], np.ones(600), COLUMNS)}, "a: .*shape"),
    "few": ({"a": sample(1, n=10)}, "a: 10 events"),
    "nan weight": ({"a": sample(1, weight=np.full(600, np.nan))}, "a: .*finite weights"),
    "negative": ({"a": sample(1, weight=-np.ones(600))}, "a: .*positive sum"),
    "nan": ({"a": Unfolded(np.full((600, 2), np.nan), np.ones(600), COLUMNS)}, "a: .*finite"),
    "name": ({"truth": sample(1)}, "truth: "),
    "none": ({}, "at least one"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case):
    samples, message = BAD[case]
    with pytest.raises(InputError, match=message) as error:
        compare(samples)
    assert "\n" not in str(error.value)
