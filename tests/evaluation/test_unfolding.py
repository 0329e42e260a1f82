"""The comparison of unfolded samples: columns by name, weights, floors, one clear line for bad input."""

import jax
import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from hepjax import evaluation
from hepjax.training import Config
from hepjax.types import Column, InputError, Measured, Unfolded, Unfolding

pytestmark = pytest.mark.usefixtures("fast_compilation")

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
    other = sample(2, n=900)
    replicas = np.random.default_rng(1).poisson(1, size=(8, 900)).astype(float)
    turned = Unfolded(other.gen[:, ::-1], other.weight, COLUMNS[::-1], replicas)
    rows = {"reco": np.arange(600)}
    values, weight, _ = reco_of(sample(0), 3)
    reco = Measured(values * np.float32([1e3, 1]), weight, (Column("mass_gev", "MeV"), COLUMNS[1]))
    return compare({"method": other, "turned": turned}, reco=reco, simulation=simulation(), rows=rows)


def reco_of(events, seed):
    """What a detector of low energies and some noise makes of events, with weights and columns."""
    noise = np.random.default_rng(seed).normal(0, (2, 0.3), size=events.gen.shape)
    return (events.gen * 0.8 + noise).astype(np.float32), events.weight, COLUMNS


def simulation():
    """A shifted sample with some negative weights; a tenth is out of the phase space, another is not measured."""
    u, v, w = np.random.default_rng(5).uniform(size=(3, 3000))
    events = sample(4, shift=0.3, n=3000, weight=np.where(w < 0.03, -1.0, 1.0))
    return Unfolding(events.gen, reco_of(events, 6)[0], events.weight, u > 0.1, v > 0.1, COLUMNS, COLUMNS)


def test_samples_in_order(comparison):
    assert comparison.samples == ("truth", "reco", "prior", "method", "turned")
    assert list(comparison.metrics["scores"]) == ["reco", "prior", "method", "turned"]
    assert comparison.metrics["columns"] == ["mass_gev", "charge"]
    size = comparison.metrics["samples"]["prior"]
    assert size["events"] == simulation().pass_gen.sum() and size["effective_size"] < size["events"]


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
        edges = comparison.distributions[k].histograms["truth"].edges
        for share, x in ((row["outside"], sample(2, n=900).gen[:, k]), (row["outside_truth"], truth.gen[:, k])):
            assert share == pytest.approx(np.mean((x < edges[0]) | (x > edges[-1])))
        assert prior[column.name]["emd"] > prior[column.name]["emd_floor_99"]


def test_other_units_are_converted_or_refused(comparison):
    """The measured sample is in MeV."""
    found = comparison.metrics["scores"]["reco"]["observables"]["mass_gev"]["emd"]
    expected = wasserstein_distance(sample(0).gen[:, 0], reco_of(sample(0), 3)[0][:, 0])
    assert found == pytest.approx(expected, rel=1e-4)
    length = Unfolded(sample(2).gen, sample(2).weight, (Column("mass_gev", "mm"), COLUMNS[1]))
    with pytest.raises(InputError, match=r"^length: mass_gev in mm, expected GeV or a unit that converts to it$"):
        compare({"length": length})


def test_each_sample_has_the_null_of_its_events(comparison):
    """What was measured of the truth's events is paired with it; others are not, and cut where they are more."""
    nulls = {name: score["null"] for name, score in comparison.metrics["scores"].items()}
    assert nulls == {"reco": "paired"} | dict.fromkeys(("prior", "method", "turned"), "independent")
    notes = [note for note in comparison.metrics["notes"] if note.startswith("classifiers")]
    assert len(notes) == 3 and "classifiers of method: 600 random events of the 900 of method" in notes


def test_a_sample_in_order_of_an_observable_is_no_other_sample():
    """Of one law, sorted, and half as large again: its first rows alone would be told apart at once."""
    other = sample(2, n=900)
    ordered = Unfolded(other.gen[np.argsort(other.gen[:, 0])], other.weight, COLUMNS)
    scores = compare({"ordered": ordered}).metrics["scores"]["ordered"]
    for classifier in ("auc_mlp", "auc_trees"):
        assert abs(scores[classifier] - 0.5) < 4 * scores[f"{classifier}_error"]


@pytest.mark.parametrize(
    "rows", [np.arange(599), np.full(600, 600), np.zeros(600, int)], ids=["few", "beyond", "twice"]
)
def test_rows_that_are_not_of_the_truth(rows):
    with pytest.raises(InputError, match="a: expected a row of the truth"):
        compare({"a": sample(1)}, rows={"a": rows})


def test_auc_sees_what_differs(comparison):
    """Of one law: within 4 errors of a half. The prior is off by 0.3 and 0.375 sigma in its two observables."""
    scores = comparison.metrics["scores"]
    for classifier in ("auc_mlp", "auc_trees"):
        assert abs(scores["method"][classifier] - 0.5) < 4 * scores["method"][f"{classifier}_error"]
        assert scores["reco"][classifier] > 0.55 and scores["prior"][classifier] > 0.55


def test_replicas_widen_the_band(comparison):
    method, turned = (comparison.distributions[0].histograms[name] for name in ("method", "turned"))
    np.testing.assert_array_equal(method.counts, turned.counts)
    assert (turned.variance >= method.variance).all() and turned.variance.sum() > 1.5 * method.variance.sum()


def test_classical_unfolding_is_nearer_the_truth_than_its_prior(comparison):
    assert [m.column for m in comparison.migrations] == list(COLUMNS)
    for c, column in zip(comparison.classical, COLUMNS, strict=True):
        row = comparison.metrics["classical"][column.name]
        assert row["chi2_truth"] == c.to_truth.value < c.prior_to_truth.value
        assert row["bins"] == len(c.unfolded.edges) - 1 >= row["dof"] > 2


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
