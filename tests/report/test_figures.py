"""Figures of calibrations, anomaly searches and layers: what is drawn is what was given."""

import itertools

import numpy as np
import pytest

from hepjax import metrics, report
from hepjax.data import geometry
from hepjax.metrics import Estimate
from hepjax.report.page import png

PNG = b"\x89PNG\r\n\x1a\n"


def bins(mode=1.0):
    edges = [3e3, 10e3, 30e3]
    return [
        metrics.CalibrationBin(a, b, 100, Estimate(mode, 0.01), Estimate(1, 0.01), Estimate(0.02, 0.002), None)
        for a, b in itertools.pairwise(edges)
    ]


def test_calibration_of_two_methods():
    figure = report.calibration_figure({"flow": bins(1.001), "MSE": bins(1.01)})
    top, bottom = figure.axes
    assert [t.get_text() for t in top.get_legend().get_texts()] == ["flow", "MSE"]
    drawn = [container.lines[0].get_data() for container in (*top.containers, *bottom.containers)]
    np.testing.assert_allclose([y[0] for _, y in drawn], [1.001, 1.01, 2 / 1.001, 2 / 1.01])
    assert all(3 < x[0] < 10 < x[1] < 30 for x, _ in drawn), "in GeV, within the bins"
    assert png(figure).startswith(PNG)


def test_likelihood_marks_estimate_interval_and_truth():
    energy = np.stack([np.linspace(4e3, 6e3, 50), np.linspace(35e3, 45e3, 50)])
    ends = np.array([[4.8e3, 5e3, 5.3e3], [39e3, 40e3, 41e3]])
    drop = np.square((energy - ends[:, 1:2]) / (0.1 * ends[:, 1:2] ** 0.5 * 20))
    figure = report.likelihood_figure(energy, drop, ends, np.array([5.1e3, 39.5e3]))
    assert [axes.get_title() for axes in figure.axes] == [
        r"$\hat{E} = 5.00^{+0.30}_{-0.20}$ GeV",
        r"$\hat{E} = 40.00^{+1.00}_{-1.00}$ GeV",
    ]
    assert png(figure).startswith(PNG)


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    return rng.normal(size=300), {"5 GeV": rng.normal(2, 1, 100), "0.5 GeV": rng.normal(0.5, 1, 100)}


def test_sic_and_roc_of_several_signals(scores):
    background, signals = scores
    panels = {"One-sided": signals, "Two-sided": {name: np.abs(s) for name, s in signals.items()}}
    sic = {t: {n: metrics.sic(background, s, bootstraps=20) for n, s in p.items()} for t, p in panels.items()}
    roc = {t: {n: metrics.roc(background, s) for n, s in p.items()} for t, p in panels.items()}
    for figure, given in ((report.sic_figure(sic), sic), (report.roc_figure(roc), roc)):
        assert [axes.get_title() for axes in figure.axes] == list(panels)
        assert [t.get_text() for t in figure.legends[0].get_texts()] == [*signals, "random cut"]
        assert png(figure).startswith(PNG)
        np.testing.assert_array_equal(figure.axes[1].lines[0].get_xdata()[-3:], given["Two-sided"]["5 GeV"].signal[-3:])


def test_scores_are_densities(scores):
    background, signals = scores
    figure = report.score_figure(background, signals)
    for patch in figure.axes[0].patches:
        values, edges, _ = patch.get_data()
        assert np.sum(values * np.diff(edges)) == pytest.approx(1)
    assert png(figure).startswith(PNG)


def test_averages_of_layers_in_true_proportions(rng):
    layers = geometry.named("lar_3layers").layers
    first = [rng.gamma(0.5, size=layer.shape) for layer in layers]
    first[2][:] = 0
    figure = report.average_figure({"Geant4": first, "flow": [1.2 * grid for grid in first]}, layers)
    images = [axes.images[0] for axes in figure.axes if axes.images]
    assert len(images) == 9
    for image in images:
        rows, columns = image.get_array().shape
        assert rows * image.axes.get_aspect() == columns, "layers are square"
    ratio = np.ma.compressed(images[2].get_array())
    assert ratio.size and ratio == pytest.approx(1.2)
    assert png(figure).startswith(PNG)
