"""Figures and the HTML report; every number comes from elsewhere."""

from hepjax.report.calibration import calibration_figure, likelihood_figure
from hepjax.report.distributions import distribution_figure, layer_energy_figure, overview_figure, profile_figure
from hepjax.report.html import render
from hepjax.report.images import average_figure, example_figure
from hepjax.report.panels import correlation_figure, floor_figure, history_figure, response_figure
from hepjax.report.significance import roc_figure, score_figure, sic_figure
from hepjax.report.unfolding import observable_figure, observables_figure
from hepjax.report.unfolding_page import render_unfolding, write_unfolding_report
from hepjax.report.unfolding_panels import coverage_figure, migration_figure, summary_figure
from hepjax.report.write import write_figure, write_json, write_report

__all__ = [
    "average_figure",
    "calibration_figure",
    "correlation_figure",
    "coverage_figure",
    "distribution_figure",
    "example_figure",
    "floor_figure",
    "history_figure",
    "layer_energy_figure",
    "likelihood_figure",
    "migration_figure",
    "observable_figure",
    "observables_figure",
    "overview_figure",
    "profile_figure",
    "render",
    "render_unfolding",
    "response_figure",
    "roc_figure",
    "score_figure",
    "sic_figure",
    "summary_figure",
    "write_figure",
    "write_json",
    "write_report",
    "write_unfolding_report",
]
