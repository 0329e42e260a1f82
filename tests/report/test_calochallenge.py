"""The report of a CaloChallenge evaluation: complete, with what was asked for, and what is drawn is what was given."""

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest

from hepjax import metrics, report
from hepjax.data import geometry as geometries
from hepjax.metrics.calochallenge import CaloComparison
from hepjax.metrics.comparison import Distribution
from hepjax.report import calochallenge, calochallenge_page, calochallenge_showers
from hepjax.report.calochallenge_tables import escape, rounded
from hepjax.report.page import png
from hepjax.report.style import look_of
from hepjax.types import InputError, PolarLayer

PNG = b"\x89PNG\r\n\x1a\n"
TINY = geometries.polar(
    "tiny", [PolarLayer((0, 1, 5), 1, 0), PolarLayer((0, 1, 2), 4, 1), PolarLayer((0, 10, 40), 4, 12)], 1.0
)
ANGULAR = ("centre_eta", "centre_phi", "width_eta", "width_phi")


def row(ratio):
    value = 0.01 * ratio
    floor = {"separation_all_floor_mean": 0.01, "separation_all_floor_99": 0.02, "separation_all_ratio": ratio}
    return {"separation": 0.9 * value, "separation_all": value, "outside": 0.25, "outside_reference": 0.1, **floor}


def scores(shift, observables):
    areas = {f"{m}_{v}": 0.51 + shift for m in ("auc", "jsd") for v in ("low", "low_normed", "high", "cnn")}
    numbers = areas | {
        "fpd": 24.6 + shift,
        "kpd": -0.03,
        "precision": 0.9,
        "recall": 0.8,
        "density": 1.1,
        "coverage": 0.7,
    }
    numbers |= {"log_posterior": -0.7 - shift}
    errors = {f"{name}_error": 0.0123 for name in numbers}
    return numbers | errors | {"separation": {name: row(1.0 + 19 * shift) for name in observables}}


def distributions(geometry, samples, rng):
    """Every kind of observable in every layer, from made-up features."""

    def one(name, edges, entries=1):
        draws = {s: rng.uniform(edges[0], edges[-1], 50) for s in samples}
        return Distribution(name, name, {s: metrics.histogram(x, edges) for s, x in draws.items()}, False, entries)

    yield one("etot_over_einc", np.linspace(0.5, 1.5, 11))
    for k, layer in enumerate(geometry.polar):
        yield one(f"energy_layer_{layer.number}", metrics.log_edges(1.0, 1000.0 * (1 + k), 10))
        for kind in (*(ANGULAR if layer.alpha_bins > 1 else ()), "centre_r", "width_r", "sparsity"):
            low = -30 if kind in ANGULAR[:2] else 0
            yield one(f"{kind}_layer_{layer.number}", np.linspace(low, 1 if kind == "sparsity" else 30, 11))
    yield one("voxels", metrics.log_edges(1.0, 1e4, 10), entries=geometry.voxels)


def comparison(generated=("<CaloNew>",), baseline="baseline", geometry=TINY, dataset="2", extra=()):
    samples = ("Geant4", *generated, *([baseline] if baseline else []))
    rng = np.random.default_rng(0)
    shown = (*distributions(geometry, samples, rng), *extra)
    names = [d.name for d in shown]
    return CaloComparison(
        dataset,
        geometry,
        "Geant4",
        generated,
        baseline,
        dict.fromkeys(samples, 50),
        {s: scores(0.0 if s == baseline else 0.1 + 0.1 * k, names) for k, s in enumerate(samples[1:])},
        {"fpd": "10 sizes of 40 to 50 showers."},
        shown,
        {s: rng.gamma(0.5, 10, geometry.voxels) for s in samples},
    )


def test_report_is_self_contained_and_complete(tmp_path):
    report.write_calochallenge_report(tmp_path, comparison(), {"hepjax": "0.1.0"})
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and not re.search(r'(src|href)="(?!data:image/png;base64,)', page)
    assert "<CaloNew>" not in page and "&lt;CaloNew&gt;" in page and "10 sizes of 40 to 50 showers." in page
    assert "0.610 ± 0.012" in page and "0.510 ± 0.012" in page and "CaloDREAM (published)" in page and "0.5308" in page
    observables = len(comparison().distributions)
    marks = [page.count(f"{mark} (25.0%)</td>") for mark in ("&#10003;", "&#10007;")]
    assert marks == [observables, observables], "one within the floor, one beyond, and what lies outside the bins"
    assert f"{observables} of {observables} observables beyond" in page and f"0 of {observables} observables" in page
    figures = {p.stem for p in (tmp_path / "figures").iterdir()}
    summaries = {
        "overview",
        "separation",
        "published",
        "quality_time",
        "profiles",
        "average_showers_1",
        "average_showers_2",
    }
    assert figures == summaries | set(calochallenge.KINDS)
    assert page.count("<img") == len(figures)
    assert all(p.read_bytes().startswith(PNG) for p in (tmp_path / "figures").iterdir())
    assert {p.name for p in (tmp_path / "tables").iterdir()} == {
        f"{name}.{suffix}" for name in ("metrics", "published", "separation") for suffix in ("csv", "tex")
    }
    table = json.loads((tmp_path / "metrics.json").read_text())
    assert table["auc_low"] == 0.61 and table["auc_low_error"] == 0.0123 and table["dataset"] == "2"
    assert table["separation"]["voxels"]["separation_all_ratio"] == pytest.approx(2.9)
    assert table["baseline"]["auc_low"] == 0.51 and "submissions" not in table
    assert table["samples"]["Geant4"] == 50 and table["provenance"] == {"hepjax": "0.1.0"}


def test_several_submissions_without_a_baseline():
    several = comparison(("first", "second"), baseline=None)
    content = calochallenge_page.numbers(several)
    assert content["fpd"] == content["submissions"]["first"]["fpd"] and "baseline" not in content
    assert content["submissions"]["second"]["auc_low"] == pytest.approx(0.71)
    page = report.render_calochallenge(several, {}, {})
    assert "further showers" not in page and page.count("<details>") == 2
    posterior = page[page.index("Several submissions") :]
    assert posterior.index("first") < posterior.index("second"), "the closest comes first"


@pytest.mark.parametrize("kept", [(), ("auc_high",), ("separation",), ("fpd", "log_posterior")], ids="-".join)
def test_what_was_not_asked_for_is_left_out(kept, tmp_path):
    whole = comparison()
    of_all = {s: {k: v for k, v in t.items() if k.startswith(kept) and kept} for s, t in whole.scores.items()}
    shown = whole.distributions if "separation" in kept else ()
    part = whole._replace(scores=of_all, distributions=shown, notes={})
    names = {name for name, *_ in calochallenge_page._figures(part, report.published("2"))}
    assert ("published" in names) == bool({"auc_high", "fpd"} & set(kept)) and "profiles" in names
    assert ("overview" in names) == ("separation" in kept)
    tables = {"metrics": report.metrics_table(part), "separation": report.separation_table(part)}
    report.write_tables(tmp_path, tables)
    assert {p.stem for p in tmp_path.iterdir()} == {
        *(["separation"] if "separation" in kept else []),
        *(["metrics"] if {"auc_high", "fpd"} & set(kept) else []),
    }
    page = report.render_calochallenge(part, {}, {})
    assert ("Separation powers" in page) == ("separation" in kept)
    assert ("AUC, high-level" in page) == ("auc_high" in kept) and "AUC, voxels" not in page
    expected = {*kept, *(f"{name}_error" for name in kept if name != "separation")}
    assert (
        set(calochallenge_page.numbers(part)) - {"dataset", "samples", "notes", "threshold_mev", "baseline"} == expected
    )


def test_tables_read_back():
    whole = comparison()
    rows = list(csv.DictReader(io.StringIO(report.to_csv(report.metrics_table(whole)))))
    fpd = next(r for r in rows if r["metric"] == "fpd")
    assert float(fpd["<CaloNew>"]) == pytest.approx(24.7) and float(fpd["<CaloNew> error"]) == 0.0123
    rows = list(csv.DictReader(io.StringIO(report.to_csv(report.published_table(whole, report.published("2"))))))
    assert [float(r["FPD x 1e3"]) for r in rows] == sorted(float(r["FPD x 1e3"]) for r in rows)
    dream = next(r for r in rows if r["sample"] == "CaloDREAM (published)")
    assert (dream["FPD x 1e3"], dream["GPU ms, 100 at once"], dream["GPU ms, 10,000 at once"]) == (
        "24.6488",
        "74.291",
        "",
    )
    rows = list(csv.DictReader(io.StringIO(report.to_csv(report.separation_table(whole)))))
    assert [r["observable"] for r in rows] == [d.name for d in whole.distributions]
    assert all(float(r["baseline: ratio to floor"]) == 1.0 and len(r) == 14 for r in rows)
    assert rows[0]["Geant4: outside"] == "0.1" and rows[0]["baseline: outside"] == "0.25"


@pytest.mark.parametrize("make", [report.metrics_table, report.separation_table])
def test_latex_has_as_many_columns_as_heads(make):
    table = make(comparison(("50%_of & <Calo>",)))
    begin, *lines, end, _ = report.to_latex(table).split("\n")
    assert begin == f"\\begin{{tabular}}{{l{'r' * len(table.heads)}}}" and end == "\\end{tabular}"
    cells = [re.split(r"(?<!\\)&", line) for line in lines if line.endswith("\\\\")]
    assert len(cells) == 1 + len(table.rows) and {len(c) for c in cells} == {1 + len(table.heads)}
    assert r"50\%\_of \& <Calo>" in cells[0][1 if make is report.metrics_table else 2]
    assert [line for line in lines if not line.endswith("\\\\")] == ["\\toprule", "\\midrule", "\\bottomrule"]


def test_numbers_are_rounded_by_their_errors():
    assert rounded(0.51234, 0.0123) == ("0.512", "0.012")
    assert rounded(733.4, 41.7) == ("733", "42") and rounded(5.0, float("nan")) == ("5", "")
    assert report.to_latex(report.metrics_table(comparison())).count(r"$24.700 \pm 0.012$") == 1
    assert escape(r"a\b~c^{d}") == r"a\textbackslash{}b\textasciitilde{}c\textasciicircum{}\{d\}"


SHARED = Path(__file__).parents[3] / "shared/data/calochallenge/published.json"
ORIGINAL = {
    "auc_low": "binary cls low",
    "auc_high": "binary cls high",
    "auc_cnn": "binary cls cnn",
    "fpd": "FPD * 1e3",
    "kpd": "KPD * 1e3",
    **{name: name for name in ("precision", "recall", "density", "coverage")},
}


@pytest.mark.parametrize(("dataset", "count"), [("1-photons", 16), ("1-pions", 13), ("2", 18), ("3", 16)])
def test_published_numbers_are_the_challenge_s(dataset, count):
    """Every score, error, time and number of parameters of its final tables."""
    rows = {row["submission name"].replace("GEANT4", "Geant4", row["id"] == "0"): row for row in official()[dataset]}
    found = report.published(dataset)
    assert {s.model for s in found} == set(rows) and len(found) == count
    for model, scores, gpu, cpu, parameters in found:
        row = rows[model]
        expected = {name: (row[key], row.get(f"{key} std", np.nan)) for name, key in ORIGINAL.items() if key in row}
        assert scores.keys() == expected.keys()
        for name, score in scores.items():
            np.testing.assert_allclose(score, expected[name], rtol=1e-5)
        assert parameters == row["Parameters generation"]
        for device, times in (("GPU", gpu), ("CPU", cpu)):
            known = [row[f"time {device} {batch}"] for batch in (1, 100, 10_000)]
            np.testing.assert_allclose(np.array(times, float), np.array(known, float), rtol=1e-5)


def official():
    return json.loads(SHARED.read_text())


def test_the_published_are_chosen():
    assert [s.model for s in report.published("2", ["calodream", "CaloINN"])] == ["Geant4", "CaloDREAM", "CaloINN"]
    best = report.published("1-pions", ["best"])
    assert len(best) == 6 and best[0].scores["auc_low"].value == 0.60894
    with pytest.raises(InputError, match=r"unknown data set '4', expected one of 1-photons, 1-pions, 2, 3"):
        report.published("4")
    with pytest.raises(InputError, match="no submission 'calo' to data set 2, expected all, best, or of Geant4, CaloD"):
        report.published("2", ["Calo"])


def test_quality_against_time_has_every_timed_submission():
    others = report.published("2")
    figure = report.quality_figure(comparison(), others)
    timed = [o for o in others if o.gpu_ms[1] is not None]
    drawn = [line for line in figure.axes[2].lines if line.get_marker() == "o"]
    np.testing.assert_allclose([line.get_xdata()[0] for line in drawn], [o.gpu_ms[1] for o in timed])
    np.testing.assert_allclose([line.get_ydata()[0] for line in drawn], [o.scores["fpd"].value for o in timed])
    floor = next(line for line in figure.axes[2].lines if line.get_label() == "Geant4 (published floor)")
    assert floor.get_ydata()[0] == 10.776
    ends = figure.axes[2].get_ylim(), report.published_figure(comparison(), others).axes[2].get_xlim()
    assert all(low < 10.776 and high > 5443.43 for low, high in ends), "the floor and the farthest are in sight"


def test_the_report_tells_the_threshold():
    other = comparison()._replace(threshold_mev=0.5)
    page = report.render_calochallenge(other, {}, {})
    assert "Voxels below 0.5 MeV are set to zero" in page and "sets those below 1 MeV to zero" in page
    assert "published evaluation sets" not in report.render_calochallenge(other._replace(threshold_mev=1.0), {}, {})
    assert "No threshold is applied" in report.render_calochallenge(comparison(), {}, {})
    assert calochallenge_page.numbers(other)["threshold_mev"] == 0.5


def test_page_of_a_kind_draws_every_layer_and_sample():
    whole = comparison(geometry=geometries.named("calochallenge_2"))
    figure = report.layers_figure(whole, "energy")
    tops, bottoms = figure.axes[:45], figure.axes[45:]
    assert [axes.get_title() for axes in tops] == [f"Layer {k}" for k in range(45)]
    assert all(axes.get_xscale() == "log" for axes in tops)
    h = whole.distributions[1].histograms["<CaloNew>"]
    drawn = {p.get_label(): p.get_data().values for p in tops[0].patches}
    np.testing.assert_allclose(drawn["<CaloNew>"], h.counts / h.total)
    numbered = [axes.xaxis.get_tick_params()["labelbottom"] for axes in bottoms]
    assert numbered == [False] * 40 + [True] * 5
    assert len({axes.get_xlim() for axes in tops}) == 1


def test_average_showers_are_wedges_of_their_energies():
    figure = report.average_shower_figure(comparison(), "baseline")
    reference, _, ratio = figure.axes[:3]
    discs = [c for c in reference.collections if hasattr(c, "get_coordinates")]
    assert len(discs) == 3 and len(ratio.collections) == 3
    drawn = discs[1].get_array().reshape(4, -1, 2)
    np.testing.assert_allclose(drawn, np.repeat(comparison().average["Geant4"][2:10].reshape(4, 1, 2), 23, axis=1))
    corners = discs[1].get_coordinates() - [0, -2.5]
    np.testing.assert_allclose(np.hypot(*np.moveaxis(corners, -1, 0)), np.broadcast_to([0, 0.5, 1], (93, 3)), atol=1e-9)
    uneven = discs[2].get_coordinates() - [0, -5]
    assert np.hypot(*uneven[0, 1]) == pytest.approx(0.5), "the square root of 10 / 40"


def test_profiles_conserve_the_energy():
    whole = comparison(geometry=geometries.named("calochallenge_2"))
    figure = report.profiles_figure(whole)
    longitudinal, first = (figure.axes[k].patches[1].get_data().values for k in (0, 2))
    average = whole.average["Geant4"].reshape(45, 16, 9)
    np.testing.assert_allclose(longitudinal, average.sum((1, 2)))
    np.testing.assert_allclose(first * 4.65, average[:9].sum((0, 1)))


def test_response_at_each_energy_of_set_1():
    edges = np.linspace(0.4, 1.4, 21)
    rng = np.random.default_rng(1)
    samples = ("Geant4", "<CaloNew>", "baseline")
    extra = [
        Distribution(f"etot_over_einc_{e}mev", "", {s: metrics.histogram(x, edges) for s, x in draws.items()}, False, 1)
        for e, draws in ((e, {s: rng.normal(1, 0.1, 0 if e == 512 else 50) for s in samples}) for e in (256, 512, 4096))
    ]
    whole = comparison(dataset="1-photons", extra=extra)
    figure = report.responses_figure(whole)
    assert [axes.get_title() for axes in figure.axes[:3]] == ["0.256 GeV", "0.512 GeV", "4.1 GeV"]
    assert png(figure, 128).startswith(PNG), "an energy without showers is an empty panel"
    labels = [t.get_text() for t in report.separation_figure(whole).axes[0].get_yticklabels()]
    assert labels[1] == calochallenge.RESPONSE_LABEL + " at each energy" and len(labels) == 11


def test_separations_beyond_their_floor_are_full():
    figure = report.separation_figure(comparison())
    faces = {(line.get_marker(), line.get_markerfacecolor()) for line in figure.axes[0].lines if len(line.get_xdata())}
    generated, baseline = look_of(1), look_of(2)
    assert faces >= {(generated.marker, generated.colour), (baseline.marker, "white")}
    assert not faces & {(generated.marker, "white"), (baseline.marker, baseline.colour)}


def test_a_floor_of_zero_is_drawn():
    whole = comparison(baseline=None)
    empty = dict.fromkeys(row(0.0), 0.0)
    rows = dict.fromkeys(whole.scores["<CaloNew>"]["separation"], empty)
    rows["voxels"] = empty | {"separation_all": 0.1, "separation_all_ratio": np.inf}
    flat = whole._replace(scores={"<CaloNew>": {"separation": rows}})
    assert png(report.separation_figure(flat)).startswith(PNG) and "inf" in report.render_calochallenge(flat, {}, {})


def test_many_submissions_fit():
    many = comparison(tuple(f"submission {k}" for k in range(12)))
    figure = report.layers_figure(many, "sparsity")
    assert png(figure, 128).startswith(PNG)
    box, axes = (artist.get_window_extent() for artist in (figure.legends[0], figure.axes[0].title))
    assert box.y0 > axes.y1 and box.x0 > 0 and box.x1 < figure.bbox.x1, "the legend has room of its own"
    assert calochallenge_showers._groups(many.geometry) == [(layer,) for layer in TINY.polar]
