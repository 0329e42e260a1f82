from .calibration import calibration_figure, likelihood_figure
from .calochallenge import layers_figure, responses_figure
from .calochallenge_page import render_calochallenge, write_calochallenge_report
from .calochallenge_panels import calochallenge_overview_figure, separation_figure
from .calochallenge_published import published_figure, published_table, quality_figure
from .calochallenge_showers import average_shower_figure, profiles_figure
from .calochallenge_tables import metrics_table, separation_table, to_csv, to_latex, write_tables
from .distributions import distribution_figure, layer_energy_figure, overview_figure, profile_figure
from .html import render
from .images import average_figure, example_figure
from .numbers import write_json
from .panels import correlation_figure, floor_figure, history_figure, response_figure
from .significance import roc_figure, score_figure, sic_figure
from .submissions import Submission, published
from .unfolding import observable_figure, observables_figure
from .unfolding_page import render_unfolding, write_unfolding_report
from .unfolding_panels import coverage_figure, migration_figure, summary_figure
from .write import write_figure, write_report

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
    "published_table",
    "quality_figure",
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
