"""Figures and the HTML report; every number comes from elsewhere."""

from hepjax.report.distributions import distribution_figure, overview_figure, profile_figure
from hepjax.report.html import render
from hepjax.report.images import average_figure, example_figure
from hepjax.report.panels import correlation_figure, floor_figure, history_figure, response_figure
from hepjax.report.write import write_figure, write_json, write_report

__all__ = [
    "average_figure",
    "correlation_figure",
    "distribution_figure",
    "example_figure",
    "floor_figure",
    "history_figure",
    "overview_figure",
    "profile_figure",
    "render",
    "response_figure",
    "write_figure",
    "write_json",
    "write_report",
]
