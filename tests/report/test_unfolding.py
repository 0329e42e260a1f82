"""The report of an unfolding: complete, self-contained, and what is drawn is what was given."""

import json
import re

import numpy as np
import pytest

from hepjax import metrics, report
from hepjax.metrics.comparison import Distribution
from hepjax.report.page import png
from hepjax.types import Column, Unfolding

PNG = b"\x89PNG\r\n\x1a\n"
COLUMNS = (Column("mass_gev", "GeV"), Column("c2"))
SAMPLES = ("truth", "reco", "prior", "<OmniFold>", "SBUnfold")


def row(ratio):
    numbers = {"floor_mean": 0.01, "floor_99": 0.02, "ratio": ratio}
    both = {f"{m}_{k}": v for m in ("emd", "triangular") for k, v in numbers.items()}
    return both | {
        "emd": 0.01 * ratio,
        "triangular": 0.01 * ratio,
        "emd_bootstrap_spread": 0.003,
        "outside": 0.123,
        "outside_truth": 0.031,
    }


def scores(ratio):
    areas = {"auc_mlp": 0.6, "auc_mlp_error": 0.01, "auc_trees": 0.55, "auc_trees_error": 0.01}
    return areas | {"null": "paired", "observables": {column.name: row(ratio) for column in COLUMNS}}


def classical(simulation, name):
    edges = np.array([-np.inf, 10, 20, 30, 60])
    migration = metrics.migration(simulation, name, edges)
    data = metrics.histogram(simulation.reco[:, 0], edges, fold=True)
    truth = metrics.histogram(simulation.gen[:, 0], edges, fold=True)
    unfolded = metrics.dagostini(migration, data)
    chi2 = metrics.chi2(unfolded.counts - truth.counts, unfolded.covariance)
    return metrics.Classical(migration, unfolded, truth, chi2, chi2, metrics.BottomLine(chi2, chi2))


@pytest.fixture(scope="module")
def comparison():
    """A comparison of made-up numbers: two methods, one within the floor and one beyond."""
    rng = np.random.default_rng(0)
    gen = rng.gamma(4, 5, size=(2000, 2))
    reco = 0.9 * gen + rng.normal(size=gen.shape)
    passed = np.ones(2000, bool)
    simulation = Unfolding(gen, reco, np.ones(2000), passed, passed, COLUMNS, COLUMNS)
    edges = np.linspace(1, 60, 30)
    histograms = {s: metrics.histogram(rng.gamma(4, 5 + 0.1 * k, size=500), edges) for k, s in enumerate(SAMPLES)}
    truth = rng.normal(size=(300, 2))
    covers = metrics.coverage(rng.normal(size=(20, 300, 2)), truth, COLUMNS)
    biased = metrics.coverage(1 + rng.normal(size=(20, 300, 2)), truth, COLUMNS)
    return metrics.UnfoldingComparison(
        SAMPLES,
        {
            "columns": [column.name for column in COLUMNS],
            "notes": ["a < b"],
            "samples": {s: {"events": 500, "effective_size": 321.0} for s in SAMPLES},
            "scores": {s: scores(1.0 if s == "SBUnfold" else 30.0 * k) for k, s in enumerate(SAMPLES) if k},
        },
        tuple(Distribution(c.name, metrics.label(c), histograms, log10=False, entries=1) for c in COLUMNS),
        tuple(metrics.migration(simulation, c.name, edges) for c in COLUMNS),
        tuple(classical(simulation, c.name) for c in COLUMNS),
        {"SBUnfold": covers, "cINN": biased},
    )


def test_report_is_self_contained_and_complete(comparison, tmp_path):
    report.write_unfolding_report(tmp_path, comparison, {"hepjax": "0.1.0"}, {"seconds": 3.0})
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and not re.search(r'(src|href)="(?!data:image/png;base64,)', page)
    assert page.count("<img") == 4 and "<OmniFold>" not in page and "&lt;OmniFold&gt;" in page
    assert page.count("<td>paired</td>") == 2 * len(SAMPLES[1:])
    assert "0.600 ± 0.010" in page and "321" in page and "0.1.0" in page
    assert page.count("&#10003;") >= 4 and page.count("&#10007;") >= 14
    assert "<li>a &lt; b</li>" in page
    assert page.count("(12.3%)</td>") == len(COLUMNS) * len(SAMPLES[1:]) and page.count("(3.1%)</td>") == len(COLUMNS)
    table = json.loads((tmp_path / "metrics.json").read_text())
    assert table["scores"]["SBUnfold"]["observables"]["c2"]["emd_ratio"] == 1.0 and table["seconds"] == 3.0
    assert table["coverage"]["cINN"]["c2"]["deviation"] > table["coverage"]["cINN"]["c2"]["deviation_floor_99"]
    figures = sorted(p.name for p in (tmp_path / "figures").iterdir())
    expected = ["c2", "coverage", "mass_gev", "migration", "observables", "summary"]
    assert figures == [f"{name}.png" for name in expected]
    assert all((tmp_path / "figures" / name).read_bytes().startswith(PNG) for name in figures)


def test_report_without_what_is_optional(comparison, tmp_path):
    bare = comparison._replace(samples=("truth", "SBUnfold"), migrations=(), classical=(), coverages={})
    report.write_unfolding_report(tmp_path, bare, {})
    figures = sorted(p.stem for p in (tmp_path / "figures").iterdir())
    assert figures == ["c2", "mass_gev", "observables", "summary"]
    assert "Classical" not in (tmp_path / "report.html").read_text()


def test_observable_draws_densities_and_the_binned_points(comparison):
    figure = report.observable_figure(comparison, "mass_gev")
    top, bottom = figure.axes
    labels = [t.get_text() for t in figure.legends[0].get_texts()]
    assert labels == [*SAMPLES, "D'Agostini"]
    drawn = {p.get_label(): p.get_data().values for p in top.patches}
    for name in SAMPLES:
        np.testing.assert_allclose(drawn[name], metrics.density(comparison.distributions[0].histograms[name])[0])
    points = top.containers[0].lines[0].get_xdata()
    np.testing.assert_allclose(points, [15, 25, 45], err_msg="the bin without a lower end is not drawn")
    assert bottom.get_xlabel() == r"Jet mass $m$ [GeV]"


def test_migration_is_normalised_by_gen(comparison):
    figure = report.migration_figure(comparison.migrations)
    values = figure.axes[0].collections[0].get_array()
    assert np.nansum(values, axis=0).max() <= 1 + 1e-9 and png(figure).startswith(PNG)


def test_many_samples_fit_the_legend(comparison):
    samples = tuple(f"method {k}" for k in range(10))
    histograms = dict.fromkeys(("truth", *samples), next(iter(comparison.distributions[0].histograms.values())))
    many = comparison._replace(
        samples=("truth", *samples),
        distributions=tuple(d._replace(histograms=histograms) for d in comparison.distributions),
    )
    assert png(report.observables_figure(many)).startswith(PNG)
