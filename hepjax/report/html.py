"""The report: one HTML file with its figures inside, readable without JavaScript and without a network."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from hepjax.metrics.comparison import Comparison

CLASSIFIERS = {"mlp": "Neural network", "trees": "Boosted trees"}
VIEWS = {"": "all cells", "_above_1mev": "cells above 1 MeV", "_layers": "layer energies"}
STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.25rem; margin-top: 2.5rem; }
p.lead { color: #555; margin-top: .3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e4e4e4; }
th { border-bottom: 2px solid #999; } th:first-child, td:first-child { text-align: left; }
td.beyond { color: #a4243b; font-weight: 600; } td.within { color: #1b6e45; }
figure { margin: 1.2rem 0; } img { max-width: 100%; height: auto; } figcaption { color: #555; font-size: .92rem; }
"""


def render(
    comparison: Comparison,
    figures: Mapping[str, Figure | bytes],
    provenance: Mapping[str, str],
    title: str = "Comparison of calorimeter showers",
) -> str:
    """The whole page. figures: caption -> figure, or the bytes of a PNG. provenance: versions, files, date."""
    names = ", ".join(f"{name} ({count:,} showers)" for name, count in comparison.metrics["samples"].items())
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f'<p class="lead">{html.escape(names)}; the first {comparison.metrics["showers_compared"]:,} of each.</p>',
        _section("Can a classifier tell the samples apart?", AUC_TEXT, auc_table(comparison)),
        _section("Distances and their floor", FLOOR_TEXT, distance_table(comparison)),
        _section("Response at fixed energy", RESPONSE_TEXT, response_table(comparison)),
        *(_copies(comparison)),
        "<h2>Figures</h2>",
        *(_figure(caption, figure) for caption, figure in figures.items()),
        "<h2>Provenance</h2>",
        table(("", ""), [(_cell(k), _cell(v)) for k, v in provenance.items()]),
    ]
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title><style>{STYLE}</style>'
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>\n{body}\n</body></html>\n'


AUC_TEXT = (
    "Area under the ROC curve against the reference, three folds, equal sizes, on energies over the incident "
    "energy and the logarithm of the incident energy. 0.5: the classifier sees no difference."
)
FLOOR_TEXT = (
    "Earth mover's distance (EMD) and separation power against the reference, divided by the mean over 200 random "
    "splits of the reference into halves, scaled to the same size. &#10003; within the 99 percent quantile of these "
    "splits, &#10007; beyond it."
)
RESPONSE_TEXT = (
    "Mean and width of the summed energy over the incident energy, as pulls: the difference from the reference in "
    "standard errors."
)
COPIES_TEXT = (
    "Median distance to the nearest training shower on standardised features, and the p-value of a Kolmogorov-Smirnov "
    "test against unseen reference showers. Copies lie closer to the training showers than unseen ones do."
)


def auc_table(comparison: Comparison) -> str:
    """One row a classifier and view, one column a sample."""
    rows = []
    for suffix, view in VIEWS.items():
        for key, classifier in CLASSIFIERS.items():
            name = f"auc_{key}{suffix}"
            if name not in comparison.metrics:
                continue
            areas = [_cell(f"{t[name]:.3f} ± {t[f'{name}_error']:.3f}") for t in _tables(comparison)]
            rows.append((_cell(f"{classifier}, {view}"), *areas))
    return table(("AUC", *comparison.samples[1:]), rows)


def distance_table(comparison: Comparison) -> str:
    """One row an observable; EMD and separation power of each sample in units of the floor, marked where beyond it."""
    tables = _tables(comparison)
    rows = []
    for d in comparison.distributions:
        first = tables[0]["observables"][d.name]
        cells = [_cell(d.name.replace("_", " ")), _cell(f"{first['emd_floor_mean']:.3g}")]
        for t in tables:
            cells += [_against(t["observables"][d.name], metric) for metric in ("emd", "separation")]
        rows.append(cells)
    correlations = [_against(t["correlations"], "rms") for t in tables]
    pairs = [cell for c in correlations for cell in (c, _cell(""))]
    floor = tables[0]["correlations"]["rms_floor_mean"]
    rows.append([_cell("cell correlations, rms difference"), _cell(f"{floor:.3g}"), *pairs])
    heads = [f"{name}: {metric}" for name in comparison.samples[1:] for metric in ("EMD / floor", "separation / floor")]
    return table(("Observable", "EMD floor", *heads), rows)


def response_table(comparison: Comparison) -> str:
    """One row an energy bin; the pulls of mean and width of each sample."""
    rows = []
    for bins in zip(*(comparison.response[name] for name in comparison.samples[1:]), strict=True):
        cells = [_cell(f"{bins[0].low_mev / 1e3:.1f} to {bins[0].high_mev / 1e3:.1f}")]
        for b in bins:
            cells += [_pull(b.mean_pull), _pull(b.width_pull)]
        rows.append(cells)
    heads = [f"{name}: {quantity}" for name in comparison.samples[1:] for quantity in ("mean", "width")]
    return table(("Energy [GeV]", *heads), rows)


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An HTML table of ready cells."""
    head = "".join(f"<th>{html.escape(h)}</th>" for h in heads)
    body = "\n".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>\n<tr>{head}</tr>\n{body}\n</table>"


def png(figure: Figure) -> bytes:
    """The figure as a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _tables(comparison: Comparison) -> list[dict[str, Any]]:
    """Metrics of each compared sample, in the order of the names."""
    baseline = comparison.metrics.get("baseline")
    return [comparison.metrics, *([baseline] if baseline else [])]


def _copies(comparison: Comparison) -> list[str]:
    tables = [t["copies"] for t in _tables(comparison) if "copies" in t]
    if not tables:
        return []
    rows = [
        (_cell(name), *(_cell(f"{t[key]:.3g}") for key in ("generated_median", "unseen_median", "ks_p_value")))
        for name, t in zip(comparison.samples[1:], tables, strict=True)
    ]
    heads = ("Sample", "median distance", "of unseen showers", "KS p-value")
    return [_section("Copies of the training showers?", COPIES_TEXT, table(heads, rows))]


def _section(title: str, text: str, content: str) -> str:
    return f"<h2>{html.escape(title)}</h2>\n<p>{text}</p>\n{content}"


def _figure(caption: str, figure: Figure | bytes) -> str:
    data = figure if isinstance(figure, bytes) else png(figure)
    source = f"data:image/png;base64,{base64.b64encode(data).decode()}"
    caption = html.escape(caption)
    return f'<figure><img alt="{caption}" src="{source}"><figcaption>{caption}</figcaption></figure>'


def _against(row: Mapping[str, float], metric: str) -> str:
    beyond = row[metric] > row[f"{metric}_floor_99"]
    mark = "&#10007;" if beyond else "&#10003;"
    return f'<td class="{"beyond" if beyond else "within"}">{row[f"{metric}_ratio"]:.2f} {mark}</td>'


def _pull(value: float) -> str:
    return f'<td class="{"within" if abs(value) <= 2 else "beyond"}">{value:+.1f}</td>'


def _cell(text: Any) -> str:
    return f"<td>{html.escape(str(text))}</td>"
