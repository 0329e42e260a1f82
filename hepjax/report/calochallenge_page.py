"""The report of an evaluation by the CaloChallenge's metrics."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hepjax.metrics.bootstrap import Estimate
from hepjax.metrics.calochallenge import CaloComparison
from hepjax.report.calochallenge import KINDS, at_energies, in_layers, layers_figure, responses_figure
from hepjax.report.calochallenge_panels import (
    SCORES,
    calochallenge_overview_figure,
    published_figure,
    separation_figure,
)
from hepjax.report.calochallenge_showers import average_shower_figure, profiles_figure
from hepjax.report.calochallenge_tables import (
    estimate,
    metrics_table,
    rounded,
    samples,
    separations,
    write_tables,
)
from hepjax.report.numbers import write_json
from hepjax.report.page import against, cell, page, png, section, table
from hepjax.report.published import SOURCE
from hepjax.report.write import write_figures, write_page

SCORES_TEXT = (
    "AUC and JSD (in units of ln 2) of classifiers against the reference, on test showers, after isotonic calibration: "
    "0.5 and 0 where they see no difference. FPD (extrapolated to infinite samples) and KPD of high-level features, "
    "times 1e3. Precision, recall, density and coverage of voxels, with five neighbours: 1 is best. "
    f"Published: {SOURCE}."
)
BASELINE_TEXT = "The column {name} is further showers of Geant4: what a perfect generator scores."
NOTES_TEXT = "Where these files allow other sizes than those of the published evaluation."
POSTERIOR_TEXT = (
    "Mean log-posterior of each submission over the reference's showers, by one classifier of all submissions. The "
    "largest is the closest to the reference."
)
SEPARATION_TEXT = (
    "Separation power from the reference, divided by the mean of its floor: the separation of the two samples with "
    "their showers shuffled. &#10003; within the 99 percent quantile of the floor, &#10007; beyond it."
)
BEYOND = "Full markers lie beyond the floor, whose 99 percent quantile ends the band."
RATIO = "Below, the ratio to the reference where its error is less than 0.5; bands are one standard error."
POSTERIOR = "log_posterior"
COLOURS_OF_LINES = 128

Score = Mapping[str, float]


def write_calochallenge_report(
    folder: str | os.PathLike[str], comparison: CaloComparison, provenance: Mapping[str, Any]
) -> None:
    """Write `metrics.json`, `figures/*.png`, `tables/*.csv`, `tables/*.tex` and `report.html` to an existing folder.

    provenance: versions, files, date, shown in the report and kept in metrics.json. What was not asked for is left out.
    """
    figures = {
        name: (caption, png(figure, None if name.startswith("average") else COLOURS_OF_LINES))
        for name, caption, figure in _figures(comparison)
    }
    shown = write_figures(folder, figures)
    write_tables(Path(folder) / "tables", comparison)
    write_page(folder, render_calochallenge(comparison, shown, provenance))
    write_json(Path(folder) / "metrics.json", {**numbers(comparison), "provenance": dict(provenance)})


def numbers(comparison: CaloComparison) -> dict[str, Any]:
    """The content of metrics.json: scores of the first submission at the top, of several below `submissions`."""
    scores, generated = comparison.scores, comparison.generated
    about = {"dataset": comparison.dataset, "samples": dict(comparison.counts), "notes": dict(comparison.notes)}
    content = {**scores[generated[0]], **about}
    if len(generated) > 1:
        content["submissions"] = {name: scores[name] for name in generated}
    if comparison.baseline is not None:
        content["baseline"] = scores[comparison.baseline]
    return content


def render_calochallenge(
    comparison: CaloComparison, figures: Mapping[str, Figure | bytes], provenance: Mapping[str, Any]
) -> str:
    """The whole page. figures: caption -> figure, or the bytes of a PNG. provenance: versions, files, date."""
    lead = ", ".join(f"{name} ({count:,} showers)" for name, count in comparison.counts.items())
    title = f"CaloChallenge: data set {comparison.dataset}"
    return page(title, lead, list(_sections(comparison)), figures, provenance)


def _sections(comparison: CaloComparison) -> Iterator[str]:
    """Those of the metrics that were asked for."""
    shown = metrics_table(comparison)
    rows = [[cell(r.label), *map(_score_cell, r.cells)] for r in shown.rows if r.key != POSTERIOR]
    if rows:
        yield section("Scores", _scores_text(comparison), table((shown.title, *shown.heads), rows))
    if comparison.notes:
        yield section("Sizes", NOTES_TEXT, table(("", ""), [(cell(k), cell(v)) for k, v in comparison.notes.items()]))
    posteriors = {name: estimate(comparison.scores[name], POSTERIOR) for name in samples(comparison)}
    if any(posteriors.values()):
        yield section("Several submissions", POSTERIOR_TEXT, posterior_table(posteriors))
    if separations(comparison):
        yield section("Separation powers", SEPARATION_TEXT, separation_tables(comparison))


def _scores_text(comparison: CaloComparison) -> str:
    if comparison.baseline is None:
        return SCORES_TEXT
    return f"{SCORES_TEXT} {BASELINE_TEXT.format(name=html.escape(comparison.baseline))}"


def posterior_table(posteriors: Mapping[str, Estimate | None]) -> str:
    """The submissions, the closest to the reference first."""
    found = [(name, p) for name, p in posteriors.items() if p is not None]
    rows = [(cell(name), _score_cell(p)) for name, p in sorted(found, key=lambda row: -row[1].value)]
    return table(("Submission", "log-posterior"), rows)


def separation_tables(comparison: CaloComparison) -> str:
    """Observables of whole showers of all samples; then by sample a table of layers and kinds, folded up."""
    by_sample = separations(comparison)
    layered = {kind: in_layers(comparison, kind) for kind in KINDS}
    of_layers = {d.name for layers in layered.values() for d in layers.values()}
    rows = [
        [cell(d.name.replace("_", " ")), *(against(rows[d.name], "separation") for rows in by_sample.values())]
        for d in comparison.distributions
        if d.name not in of_layers
    ]
    parts = [table(("Observable", *by_sample), rows)]
    for name, rows in by_sample.items():
        beyond = sum(row["separation"] > row["separation_floor_99"] for row in rows.values())
        summary = f"{html.escape(name)}: {beyond} of {len(rows)} observables beyond the floor; by layer"
        parts.append(f"<details><summary>{summary}</summary>\n{_layers_table(comparison, rows)}\n</details>")
    return "\n".join(parts)


def _layers_table(comparison: CaloComparison, rows: Mapping[str, Score]) -> str:
    kinds = [kind for kind in KINDS if in_layers(comparison, kind)]
    lines = []
    for layer in comparison.geometry.polar:
        names = [f"{kind}_layer_{layer.number}" for kind in kinds]
        lines.append([cell(layer.number), *(against(rows[n], "separation") if n in rows else cell("") for n in names)])
    return table(("Layer", *(kind.replace("_", " ") for kind in kinds)), lines)


def _score_cell(score: Estimate | float | None) -> str:
    if score is None:
        return cell("")
    value, error = rounded(*score) if isinstance(score, Estimate) else rounded(score)
    return cell(f"{value} ± {error}" if error else value)


def _figures(comparison: CaloComparison) -> Iterator[tuple[str, str, Figure]]:
    """File name, caption and figure, in the order of the report, one drawn at a time."""
    if separations(comparison):
        yield (
            "overview",
            f"Whole showers, and separation powers against the layer. {BEYOND}",
            calochallenge_overview_figure(comparison),
        )
        caption = f"Separation powers in units of the mean of their floor, one point a layer. {BEYOND}"
        yield "separation", caption, separation_figure(comparison)
    if any(score in comparison.scores[name] for name in samples(comparison) for score in SCORES):
        caption = f"Scores with one standard error, and those of submissions published in {SOURCE}."
        yield "published", caption, published_figure(comparison)
    for k, sample in enumerate(samples(comparison), start=1):
        caption = f"Average shower of {sample} by layer, numbered, and its ratio to {comparison.reference}."
        yield f"average_showers_{k}", caption, average_shower_figure(comparison, sample)
    yield "profiles", "Average showers along the depth, and along the radius.", profiles_figure(comparison)
    if at_energies(comparison):
        caption = f"Response at each incident energy. {RATIO}"
        yield "responses", caption, responses_figure(comparison)
    for kind in KINDS:
        if in_layers(comparison, kind):
            caption = f"{kind.replace('_', ' ').capitalize()} in each layer. {RATIO}"
            yield kind, caption, layers_figure(comparison, kind)
