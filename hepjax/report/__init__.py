"""Figures and the HTML report; every number comes from elsewhere."""

from hepjax.report.calibration import calibration_figure, likelihood_figure
from hepjax.report.calochallenge import layers_figure, responses_figure
from hepjax.report.calochallenge_page import render_calochallenge, write_calochallenge_report
from hepjax.report.calochallenge_panels import overview_figure as calochallenge_overview_figure
from hepjax.report.calochallenge_panels import published_figure, separation_figure
from hepjax.report.calochallenge_showers import average_shower_figure, profiles_figure
from hepjax.report.calochallenge_tables import metrics_table, separation_table, to_csv, to_latex, write_tables
from hepjax.report.distributions import distribution_figure, layer_energy_figure, overview_figure, profile_figure
from hepjax.report.html import render
from hepjax.report.images import average_figure, example_figure
from hepjax.report.panels import correlation_figure, floor_figure, history_figure, response_figure
from hepjax.report.published import Submission, published
from hepjax.report.significance import roc_figure, score_figure, sic_figure
from hepjax.report.unfolding import observable_figure, observables_figure
from hepjax.report.unfolding_page import render_unfolding, write_unfolding_report
from hepjax.report.unfolding_panels import coverage_figure, migration_figure, summary_figure
from hepjax.report.write import write_figure, write_json, write_report

__all__ = [
    "Submission",
    "average_figure",
    "average_shower_figure",
    "calibration_figure",
    "calochallenge_overview_figure",
    "correlation_figure",
    "coverage_figure",
    "distribution_figure",
    "example_figure",
    "floor_figure",
    "history_figure",
    "layer_energy_figure",
    "layers_figure",
    "likelihood_figure",
    "metrics_table",
    "migration_figure",
    "observable_figure",
    "observables_figure",
    "overview_figure",
    "profile_figure",
    "profiles_figure",
    "published",
    "published_figure",
    "render",
    "render_calochallenge",
    "render_unfolding",
    "response_figure",
    "responses_figure",
    "roc_figure",
    "score_figure",
    "separation_figure",
    "separation_table",
    "sic_figure",
    "summary_figure",
    "to_csv",
    "to_latex",
    "write_calochallenge_report",
    "write_figure",
    "write_json",
    "write_report",
    "write_tables",
    "write_unfolding_report",
]
