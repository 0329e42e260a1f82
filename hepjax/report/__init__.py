"""Figures and the HTML report; every number comes from elsewhere."""

from hepjax.report.calibration import calibration_figure, likelihood_figure
from hepjax.report.distributions import distribution_figure, layer_energy_figure, overview_figure, profile_figure
from hepjax.report.html import render
from hepjax.report.images import average_figure, example_figure
from hepjax.report.panels import correlation_figure, floor_figure, history_figure, response_figure
from hepjax.report.significance import roc_figure, score_figure, sic_figure
from hepjax.report.write import write_figure, write_json, write_report

__all__ = [
    "average_figure",
    "calibration_figure",
    "correlation_figure",
    "distribution_figure",
    "example_figure",
    "floor_figure",
    "history_figure",
    "layer_energy_figure",
    "likelihood_figure",
    "overview_figure",
    "profile_figure",
    "render",
    "response_figure",
    "roc_figure",
    "score_figure",
    "sic_figure",
    "write_figure",
    "write_json",
    "write_report",
]
