"""The report of an evaluation by the CaloChallenge's metrics."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hepjax.metrics.bootstrap import Estimate
from hepjax.metrics.calochallenge import CaloComparison
from hepjax.report.calochallenge import KINDS, at_energies, in_layers, layers_figure, responses_figure
from hepjax.report.calochallenge_panels import (
    calochallenge_overview_figure,
    separation_figure,
)
from hepjax.report.calochallenge_published import drawn, published_figure, published_table, quality_figure
from hepjax.report.calochallenge_showers import average_shower_figure, profiles_figure
from hepjax.report.calochallenge_tables import (
    COUNTED,
    Table,
    beyond_floor,
    estimate,
    metrics_table,
    rounded,
    samples,
    separation_table,
    separations,
    write_tables,
)
from hepjax.report.numbers import write_json
from hepjax.report.page import against, cell, page, png, section, table
from hepjax.report.submissions import SOURCE, Submission, published
from hepjax.report.write import write_figures, write_page

SCORES_TEXT = (
    "AUC and JSD (in units of ln 2) of classifiers against the reference, on test showers, after isotonic calibration: "
    "0.5 and 0 where they see no difference. FPD (extrapolated to infinite samples) and KPD of high-level features, "
    "times 1e3. Precision, recall, density and coverage of voxels, with five neighbours: 1 is best."
)
THRESHOLD_TEXT = "Voxels below {threshold:.4g} MeV are set to zero in all samples first."
NO_THRESHOLD_TEXT = "No threshold is applied to the voxels."
OTHER_THRESHOLD_TEXT = "The published evaluation sets those below {threshold:.4g} MeV to zero."
PUBLISHED_TEXT = (
    f"Published numbers of {SOURCE}, the least FPD first, times as the challenge measured them. Geant4's own row is "
    "the floor: other showers of Geant4, scored as a submission is. Published samples have about 100,000 showers; FPD "
    "and JSD of fewer, and what a classifier finds, are not theirs: see the sizes."
)
BASELINE_TEXT = "The column {name} is further showers of Geant4: what a perfect generator scores."
NOTES_TEXT = "Where these files allow other sizes than those of the published evaluation."
POSTERIOR_TEXT = (
    "Mean log-posterior of each submission over the reference's showers, by one classifier of all submissions. The "
    "largest is the closest to the reference."
)
SEPARATION_TEXT = (
    "Separation power from the reference, with what lies below and above the bins as two further bins, divided by the "
    "mean of its floor: that of the two samples with their showers shuffled. &#10003; within the 99 percent quantile "
    "of the floor, &#10007; beyond it. In brackets what lies outside the bins, and does not count in the published "
    "definition, where it is another share of the sample than of the reference."
)
BEYOND = "Full markers lie beyond the floor, whose 99 percent quantile ends the band."
RATIO = "Below, the ratio to the reference where its error is less than 0.5; bands are one standard error."
POSTERIOR = "log_posterior"
COLOURS_OF_LINES = 128

Score = Mapping[str, float]


def write_calochallenge_report(
    folder: str | os.PathLike[str],
    comparison: CaloComparison,
    provenance: Mapping[str, Any],
    beside: Sequence[str] = ("best",),
) -> None:
    """Write `metrics.json`, `figures/*.png`, `tables/*.csv`, `tables/*.tex` and `report.html` to an existing folder.

    provenance: versions, files, date, shown in the report and kept in metrics.json. beside: which of the published
    submissions to show, see `published`. What was not asked for is left out.
    """
    others = published(comparison.dataset, beside)
    figures = {
        name: (caption, png(figure, None if name.startswith("average") else COLOURS_OF_LINES))
        for name, caption, figure in _figures(comparison, others)
    }
    shown = write_figures(folder, figures)
    tables = {"metrics": metrics_table(comparison), "separation": separation_table(comparison)}
    tables["published"] = _beside(comparison, others)
    write_tables(Path(folder) / "tables", tables)
    write_page(folder, render_calochallenge(comparison, shown, provenance, others))
    write_json(Path(folder) / "metrics.json", {**numbers(comparison), "provenance": dict(provenance)})


def numbers(comparison: CaloComparison) -> dict[str, Any]:
    """The content of metrics.json: scores of the first submission at the top, of several below `submissions`."""
    scores, generated = comparison.scores, comparison.generated
    about = {"dataset": comparison.dataset, "samples": dict(comparison.counts), "notes": dict(comparison.notes)}
    about["threshold_mev"] = comparison.threshold_mev
    content = {**scores[generated[0]], **about}
    if len(generated) > 1:
        content["submissions"] = {name: scores[name] for name in generated}
    if comparison.baseline is not None:
        content["baseline"] = scores[comparison.baseline]
    return content


def render_calochallenge(
    comparison: CaloComparison,
    figures: Mapping[str, Figure | bytes],
    provenance: Mapping[str, Any],
    others: Sequence[Submission] = (),
) -> str:
    """The whole page. figures: caption -> figure, or the bytes of a PNG. provenance: versions, files, date.

    others: published submissions to stand beside.
    """
    lead = ", ".join(f"{name} ({count:,} showers)" for name, count in comparison.counts.items())
    title = f"CaloChallenge: data set {comparison.dataset}"
    return page(title, lead, list(_sections(comparison, others)), figures, provenance)


def _sections(comparison: CaloComparison, others: Sequence[Submission]) -> Iterator[str]:
    """Those of the metrics that were asked for."""
    shown = metrics_table(comparison)
    rows = [[cell(r.label), *map(_score_cell, r.cells)] for r in shown.rows if r.key != POSTERIOR]
    if rows:
        yield section("Scores", _scores_text(comparison), table((shown.title, *shown.heads), rows))
    if comparison.notes:
        yield section("Sizes", NOTES_TEXT, table(("", ""), [(cell(k), cell(v)) for k, v in comparison.notes.items()]))
    beside = _beside(comparison, others)
    if beside.rows:
        lines = [[cell(r.label), *map(_score_cell, r.cells)] for r in beside.rows]
        yield section("Beside the published", PUBLISHED_TEXT, table((beside.title, *beside.heads), lines))
    posteriors = {name: estimate(comparison.scores[name], POSTERIOR) for name in samples(comparison)}
    if any(posteriors.values()):
        yield section("Several submissions", POSTERIOR_TEXT, posterior_table(posteriors))
    if separations(comparison):
        yield section("Separation powers", SEPARATION_TEXT, separation_tables(comparison))


def _beside(comparison: CaloComparison, others: Sequence[Submission]) -> Table:
    """The table of published submissions, empty where no score of theirs was asked for."""
    if others and drawn(comparison):
        return published_table(comparison, others)
    return Table("Sample", (), ())


def _scores_text(comparison: CaloComparison) -> str:
    used, published = comparison.threshold_mev, comparison.geometry.threshold_mev
    parts = [SCORES_TEXT, THRESHOLD_TEXT.format(threshold=used) if used else NO_THRESHOLD_TEXT]
    if used != published:
        parts.append(OTHER_THRESHOLD_TEXT.format(threshold=published))
    if comparison.baseline is not None:
        parts.append(BASELINE_TEXT.format(name=html.escape(comparison.baseline)))
    return " ".join(parts)


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
        [cell(d.name.replace("_", " ")), *(_separation_cell(rows[d.name]) for rows in by_sample.values())]
        for d in comparison.distributions
        if d.name not in of_layers
    ]
    parts = [table(("Observable", *by_sample), rows)]
    for name, rows in by_sample.items():
        beyond = sum(beyond_floor(row) for row in rows.values())
        summary = f"{html.escape(name)}: {beyond} of {len(rows)} observables beyond the floor; by layer"
        parts.append(f"<details><summary>{summary}</summary>\n{_layers_table(comparison, rows)}\n</details>")
    return "\n".join(parts)


def _layers_table(comparison: CaloComparison, rows: Mapping[str, Score]) -> str:
    kinds = [kind for kind in KINDS if in_layers(comparison, kind)]
    lines = []
    for layer in comparison.geometry.polar:
        names = [f"{kind}_layer_{layer.number}" for kind in kinds]
        lines.append([cell(layer.number), *(_separation_cell(rows[n]) if n in rows else cell("") for n in names)])
    return table(("Layer", *(kind.replace("_", " ") for kind in kinds)), lines)


def _separation_cell(row: Score) -> str:
    shares = [f"{row[name]:.1%}" for name in ("outside", "outside_reference")]
    return against(row, COUNTED, f" ({shares[0]})" if shares[0] != shares[1] else "")


def _score_cell(score: Estimate | float | None) -> str:
    if score is None:
        return cell("")
    value, error = rounded(*score) if isinstance(score, Estimate) else rounded(score)
    return cell(f"{value} ± {error}" if error else value)


def _figures(comparison: CaloComparison, others: Sequence[Submission]) -> Iterator[tuple[str, str, Figure]]:
    """File name, caption and figure, in the order of the report, one drawn at a time."""
    if separations(comparison):
        yield (
            "overview",
            f"Whole showers, and separation powers against the layer. {BEYOND}",
            calochallenge_overview_figure(comparison),
        )
        caption = f"Separation powers in units of the mean of their floor, one point a layer. {BEYOND}"
        yield "separation", caption, separation_figure(comparison)
    if others and drawn(comparison):
        caption = f"Scores with one standard error, and those of submissions published in {SOURCE}; dotted: Geant4."
        yield "published", caption, published_figure(comparison, others)
        caption = f"Quality against time, of submissions published in {SOURCE}; lines: these samples, dotted: Geant4."
        yield "quality_time", caption, quality_figure(comparison, others)
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
