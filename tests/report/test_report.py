"""The report: self-contained, complete, atomic; what it says is what the comparison holds."""

import json
import re

import matplotlib
import numpy as np
import pytest

from hepjax import metrics, report
from hepjax.metrics.comparison import Comparison, Distribution, Examples, Profile
from hepjax.types import Layer

PNG = b"\x89PNG\r\n\x1a\n"


def distances(ratio):
    floor = {"floor_mean": 0.01, "floor_99": 0.02, "ratio": ratio}
    row = {f"{m}_{k}": v for m in ("emd", "separation") for k, v in floor.items()}
    return row | {"emd": 0.01 * ratio, "separation": 0.01 * ratio}


def scores(ratio, names):
    areas = {f"auc_{c}{v}": 0.6 for c in ("mlp", "trees") for v in ("", "_above_1mev")}
    correlations = {"rms": 0.01 * ratio, "rms_floor_mean": 0.01, "rms_floor_99": 0.02, "rms_ratio": ratio}
    copies = {"unseen_median": 1.0, "generated_median": 1.1, "ks_p_value": 0.4}
    test = metrics.ResponseTest(9.1, 5, 0.105, 2.6, 0.0093)._asdict()
    return {
        **areas,
        **{f"{name}_error": 0.01 for name in areas},
        "observables": {name: distances(ratio) for name in names},
        "correlations": correlations,
        "copies": copies,
        "response_tests": dict.fromkeys(("mean", "width"), test),
    }


def comparison(samples=("Geant4", "<refined>", "GFlash")):
    """A comparison of made-up numbers, one sample within the floor and one beyond."""
    rng = np.random.default_rng(0)
    names = ["sum_over_e", "largest_over_e", "cells_above_1mev", "cell_spectrum", "row_0"]
    draws = {s: rng.normal(0.5, 0.2, size=200) for s in samples}
    edges = np.linspace(0, 1, 11)
    histograms = {s: metrics.histogram(x, edges, fold=True) for s, x in draws.items()}
    energy = rng.uniform(1e4, 1e5, size=200)
    table = {"samples": dict.fromkeys(samples, 200), "showers_compared": 200, "notes": ["a < b"], **scores(1.0, names)}
    table |= {"baseline": scores(9.0, names)} if len(samples) > 2 else {}
    profile = {s: np.array([0.1, 0.8, 0.1]) for s in samples}
    return Comparison(
        samples,
        table,
        tuple(Distribution(n, n, histograms, n == "cell_spectrum", 1) for n in names),
        tuple(Profile(k, profile, {s: 0.01 * p for s, p in profile.items()}) for k in ("row", "column")),
        {s: metrics.response_in_bins(energy, draws[samples[0]], energy, draws[s]) for s in samples[1:]},
        {s: np.eye(9) for s in samples},
        {s: Examples(np.array([1e4, 5e4]), (rng.gamma(1, 100, size=(2, 3, 3)),)) for s in samples},
        {s: (rng.gamma(1, size=(3, 3)),) for s in samples},
        (Layer((3, 3), (1.0, 1.0), 1.0),),
    )


def test_report_of_some_metrics(tmp_path):
    """What was not asked for leaves no section and no figure."""
    whole = comparison()
    some = {key: value for key, value in whole.metrics.items() if key not in ("observables", "correlations")}
    some = {key: value for key, value in some.items() if not key.startswith("auc_")}
    report.write_report(tmp_path, whole._replace(metrics=some), {})
    page = (tmp_path / "report.html").read_text()
    assert "Response at fixed energy" in page and "floor" not in page.lower() and "classifier" not in page.lower()
    assert not (tmp_path / "figures" / "floors.png").exists()


@pytest.mark.parametrize("samples", [("Geant4", "<refined>", "GFlash"), ("Geant4", "refined")])
def test_report_is_self_contained_and_complete(tmp_path, samples):
    history = {"epoch": [1, 2], "loss": [1.0, 0.5], "val_loss": [1.1, 0.6], "score": [np.nan, np.nan]}
    report.write_report(tmp_path, comparison(samples), {"hepjax": "0.1.0"}, history, {"seconds_fit": 3.0})
    page = (tmp_path / "report.html").read_text()
    assert "<script" not in page and not re.search(r'(src|href)="(?!data:image/png;base64,)', page)
    assert page.count("<img") >= 7 and "0.600 ± 0.010" in page and "0.1.0" in page
    assert "<li>a &lt; b</li>" in page and page.count('"beyond">+2.6 (0.0093)') == 2 * (len(samples) - 1)
    assert page.count("&#10003;</td>") >= 10 and ("&#10007;</td>" in page) == (len(samples) > 2)
    table = json.loads((tmp_path / "metrics.json").read_text())
    assert table["auc_mlp"] == 0.6 and table["seconds_fit"] == 3.0 and table["provenance"] == {"hepjax": "0.1.0"}
    figures = sorted(p.name for p in (tmp_path / "figures").iterdir())
    assert {"overview.png", "averages.png", "floors.png", "sum_over_e.png", "history.png"} <= set(figures)
    assert all((tmp_path / "figures" / name).read_bytes().startswith(PNG) for name in figures)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "metrics.json", "report.html"]


def test_names_are_escaped():
    page = report.render(comparison(), {}, {"file": "<b>.hdf5"})
    assert "<refined>" not in page and "&lt;refined&gt;" in page and "<b>.hdf5" not in page


def test_figures_leave_the_users_style_alone():
    before = dict(matplotlib.rcParams)
    report.floor_figure(comparison())
    assert dict(matplotlib.rcParams) == before


def test_numbers_that_json_lacks_become_null(tmp_path):
    report.write_json(tmp_path / "a.json", {"a": np.float32(1.5), "b": [np.nan, np.inf], "c": np.arange(2)})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1.5, "b": [None, None], "c": [0, 1]}


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    report.write_json(path, {"a": 1})

    def full_disk(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full_disk)
    with pytest.raises(OSError, match="No space"):
        report.write_json(path, {"a": 2})
    monkeypatch.undo()
    assert json.loads(path.read_text()) == {"a": 1} and [p.name for p in tmp_path.iterdir()] == ["a.json"]
