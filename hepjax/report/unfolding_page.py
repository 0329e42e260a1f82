"""The report of a comparison of unfolded samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hepjax.metrics.coverage import Coverage
from hepjax.metrics.unfolding import UnfoldingComparison
from hepjax.report.numbers import write_json
from hepjax.report.page import against, cell, notes, page, section, table
from hepjax.report.unfolding import observable_figure, observables_figure
from hepjax.report.unfolding_panels import coverage_figure, migration_figure, summary_figure
from hepjax.report.write import write_figures, write_page

AUC_TEXT = (
    "Area under the ROC curve of classifiers trained to tell a sample from the truth in all observables together, with "
    "weights, three folds. 0.5: they see no difference. Below: the effective number of events, (&Sigma;w)&sup2; / "
    "&Sigma;w&sup2;."
)
EMD_TEXT = (
    "Earth mover's distance to the truth, divided by the mean of its floor: the distance where both have one law, with "
    "these weights. &#10003; within the 99 percent quantile of the floor, &#10007; beyond it. The floor is, below each "
    "sample, paired: truth and sample are of the same events, and swapped within random ones; partly: bootstraps of "
    "the events, of which some fail the selection of one level; independent: bootstraps of both samples."
)
TRIANGULAR_TEXT = (
    "Triangular discriminator to the truth in the bins of the figures, divided by the mean of its floor. By its "
    "definition what lies outside the edges does not count: that is the share in brackets."
)
CLASSICAL_TEXT = (
    "D'Agostini's iteration, one observable at a time: chi-square of the unfolded histogram and of the prior against "
    "the truth, by the covariance of data and simulation. Bottom line: chi-square between prior and truth by the "
    "data's covariance, at detector level and unfolded; unfolding must not add to it."
)
COVERAGE_TEXT = (
    "Largest deviation of the cumulative distribution of the truth's quantile in its posterior from a uniform one, in "
    "percent; &#10003; within the 99 percent quantile for a posterior that covers."
)


def write_unfolding_report(
    folder: str | os.PathLike[str],
    comparison: UnfoldingComparison,
    provenance: Mapping[str, Any],
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write `metrics.json`, `figures/*.png` and `report.html` to an existing folder.

    provenance: versions, files, date, shown in the report and kept in metrics.json. extra: further entries of
    metrics.json.
    """
    names = [d.name for d in comparison.distributions]
    shown = write_figures(folder, _figures(comparison), apart=names)
    write_page(folder, render_unfolding(comparison, shown, provenance))
    coverage = {name: _coverage_rows(rows) for name, rows in comparison.coverages.items()}
    numbers = comparison.metrics | ({"coverage": coverage} if coverage else {})
    write_json(Path(folder) / "metrics.json", {**(extra or {}), **numbers, "provenance": dict(provenance)})


def render_unfolding(
    comparison: UnfoldingComparison,
    figures: Mapping[str, Figure | bytes],
    provenance: Mapping[str, Any],
    title: str = "Comparison of unfolded events",
) -> str:
    """The whole page. figures: caption -> figure, or the bytes of a PNG. provenance: versions, files, date."""
    sizes = comparison.metrics["samples"]
    lead = ", ".join(f"{name} ({sizes[name]['events']:,} events)" for name in comparison.samples)
    sections = [
        notes(comparison.metrics["notes"]),
        section("Can a classifier tell the samples from the truth?", AUC_TEXT, auc_table(comparison)),
        section("Earth mover's distances", EMD_TEXT, distance_table(comparison, "emd")),
        section("Triangular discriminators", TRIANGULAR_TEXT, distance_table(comparison, "triangular", outside=True)),
    ]
    if comparison.classical:
        sections.append(section("Classical unfolding", CLASSICAL_TEXT, classical_table(comparison)))
    if comparison.coverages:
        sections.append(section("Do the posteriors cover?", COVERAGE_TEXT, coverage_table(comparison)))
    return page(title, lead, sections, figures, provenance)


def auc_table(comparison: UnfoldingComparison) -> str:
    """One row a classifier, one column a sample, and the effective sizes."""
    others, scores = comparison.samples[1:], comparison.metrics["scores"]
    rows = [
        (cell(label), *(cell(f"{scores[n][key]:.3f} ± {scores[n][f'{key}_error']:.3f}") for n in others))
        for key, label in (("auc_mlp", "Neural network"), ("auc_trees", "Boosted trees"))
    ]
    sizes = [cell(f"{comparison.metrics['samples'][name]['effective_size']:,.0f}") for name in others]
    return table(("AUC", *others), [*rows, (cell("Effective events"), *sizes)])


def distance_table(comparison: UnfoldingComparison, metric: str, *, outside: bool = False) -> str:
    """One row an observable, one column a sample: a metric in units of its floor, marked where beyond it.

    outside: whether to add the share of each sample that lies outside the histogram's edges.
    """
    others, scores = comparison.samples[1:], comparison.metrics["scores"]
    rows = []
    for d in comparison.distributions:
        found = [scores[name]["observables"][d.name] for name in others]
        shares = [f" ({row['outside']:.1%})" if outside else "" for row in found]
        of_truth = [cell(f"({found[0]['outside_truth']:.1%})")] if outside else []
        values = (against(row, metric, share) for row, share in zip(found, shares, strict=True))
        rows.append((cell(d.name), *of_truth, *values))
    given = [comparison.samples[0]] if outside else []
    rows.append((cell("Floor"), *(cell("") for _ in given), *(cell(scores[name]["null"]) for name in others)))
    return table(("Observable", *given, *others), rows)


def classical_table(comparison: UnfoldingComparison) -> str:
    """One row an observable; chi-squares against the truth, and the bottom line."""
    heads = ("Observable", "bins", "chi2 / dof", "prior's", "bottom line, reco", "unfolded")
    rows = []
    for c in comparison.classical:
        values = (c.prior_to_truth, c.bottom_line.reco, c.bottom_line.unfolded)
        first = f"{c.to_truth.value:.1f} / {c.to_truth.dof}"
        cells = [c.migration.column.name, len(c.unfolded.counts), first, *(f"{v.value:.1f}" for v in values)]
        rows.append([cell(text) for text in cells])
    return table(heads, rows)


def coverage_table(comparison: UnfoldingComparison) -> str:
    """One row an observable, one column a method."""
    rows = []
    for of_all in zip(*comparison.coverages.values(), strict=True):
        cells = [cell(of_all[0].column.name)]
        for c in of_all:
            within = c.deviation <= c.floor.top
            mark = "&#10003;" if within else "&#10007;"
            cells.append(f'<td class="{"within" if within else "beyond"}">{100 * c.deviation:.1f} {mark}</td>')
        rows.append(cells)
    return table(("Observable", *comparison.coverages), rows)


def _coverage_rows(rows: Sequence[Coverage]) -> dict[str, dict[str, float]]:
    return {
        c.column.name: {
            "deviation": c.deviation,
            "deviation_floor_mean": c.floor.mean,
            "deviation_floor_99": c.floor.top,
        }
        for c in rows
    }


def _figures(comparison: UnfoldingComparison) -> dict[str, tuple[str, Figure]]:
    """File name -> caption and figure, in the order of the report."""
    errors = "Bands and bars: one standard error, of statistics and of replicas where there are some."
    figures = {
        "observables": (f"Observables; below, the ratio to the truth. {errors}", observables_figure(comparison)),
        "summary": ("Distances in units of their floor; bars: spread of bootstraps.", summary_figure(comparison)),
    }
    if comparison.migrations:
        caption = "Migration from gen to reco: probabilities of the reco bins for the events of each gen bin."
        figures["migration"] = (caption, migration_figure(comparison.migrations))
    if comparison.coverages:
        caption = (
            "Quantile of the truth in its posterior. Bands: two standard errors of a bin, and the deviation that 99 "
            "percent of posteriors that cover stay in; dotted, 2 percent."
        )
        figures["coverage"] = (caption, coverage_figure(comparison.coverages))
    for d in comparison.distributions:
        figures[d.name] = (d.name, observable_figure(comparison, d.name))
    return figures
