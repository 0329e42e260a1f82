"""The report of a comparison of showers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from hepjax.metrics.comparison import Comparison
from hepjax.report.page import against, cell, notes, page, section, table

CLASSIFIERS = {"mlp": "Neural network", "trees": "Boosted trees"}
VIEWS = {"": "all cells", "_above_1mev": "cells above 1 MeV", "_layers": "layer energies"}


def render(
    comparison: Comparison,
    figures: Mapping[str, Figure | bytes],
    provenance: Mapping[str, str],
    title: str = "Comparison of calorimeter showers",
) -> str:
    """The whole page. figures: caption -> figure, or the bytes of a PNG. provenance: versions, files, date."""
    names = ", ".join(f"{name} ({count:,} showers)" for name, count in comparison.metrics["samples"].items())
    lead = f"{names}; {comparison.metrics['showers_compared']:,} of each."
    sections = [notes(comparison.metrics["notes"])]
    if any(key.startswith("auc_") for key in comparison.metrics):
        sections.append(section("Can a classifier tell the samples apart?", AUC_TEXT, auc_table(comparison)))
    if {"observables", "correlations"} & set(comparison.metrics):
        sections.append(section("Distances and their floor", FLOOR_TEXT, distance_table(comparison)))
    sections.append(section("Response at fixed energy", RESPONSE_TEXT, response_table(comparison)))
    return page(title, lead, [*sections, *_copies(comparison)], figures, provenance)


AUC_TEXT = (
    "Area under the ROC curve against the reference, three folds, equal sizes, on energies over the incident "
    "energy and the logarithm of the incident energy. 0.5: the classifier sees no difference. The error is that of "
    "repeated samples, training included."
)
FLOOR_TEXT = (
    "Earth mover's distance (EMD) and separation power against the reference, divided by the mean over 200 random "
    "splits of the reference into halves, scaled to the same size. &#10003; within the 99 percent quantile of these "
    "splits, &#10007; beyond it."
)
RESPONSE_TEXT = (
    "Mean and width of the summed energy over the incident energy, as pulls: the difference from the reference in "
    "standard errors. Below, all bins together: the sum of the squared pulls, and that of the pulls over the root of "
    "their number, which sees pulls of one sign; in brackets the shares of permutations that reach as far."
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
            areas = [cell(f"{t[name]:.3f} ± {t[f'{name}_error']:.3f}") for t in _tables(comparison)]
            rows.append((cell(f"{classifier}, {view}"), *areas))
    return table(("AUC", *comparison.samples[1:]), rows)


def distance_table(comparison: Comparison) -> str:
    """One row an observable; EMD and separation power of each sample in units of the floor, marked where beyond it."""
    tables = _tables(comparison)
    rows = []
    for d in comparison.distributions if "observables" in comparison.metrics else ():
        first = tables[0]["observables"][d.name]
        cells = [cell(d.name.replace("_", " ")), cell(f"{first['emd_floor_mean']:.3g}")]
        for t in tables:
            cells += [against(t["observables"][d.name], metric) for metric in ("emd", "separation")]
        rows.append(cells)
    if "correlations" in comparison.metrics:
        pairs = [item for t in tables for item in (against(t["correlations"], "rms"), cell(""))]
        floor = tables[0]["correlations"]["rms_floor_mean"]
        rows.append([cell("cell correlations, rms difference"), cell(f"{floor:.3g}"), *pairs])
    heads = [f"{name}: {metric}" for name in comparison.samples[1:] for metric in ("EMD / floor", "separation / floor")]
    return table(("Observable", "EMD floor", *heads), rows)


def response_table(comparison: Comparison) -> str:
    """One row an energy bin, with the pulls of mean and width of each sample, and two of all bins together."""
    rows = []
    for bins in zip(*(comparison.response[name] for name in comparison.samples[1:]), strict=True):
        cells = [cell(f"{bins[0].low_mev / 1e3:.1f} to {bins[0].high_mev / 1e3:.1f}")]
        for b in bins:
            cells += [_pull(b.mean_pull), _pull(b.width_pull)]
        rows.append(cells)
    tests = [t["response_tests"][quantity] for t in _tables(comparison) for quantity in ("mean", "width")]
    chi2 = (_probability(f"{t['chi2']:.1f} / {t['dof']}", t["p_value"]) for t in tests)
    signed = (_probability(f"{t['signed']:+.1f}", t["signed_p_value"]) for t in tests)
    rows += [[cell("all: chi2 / dof"), *chi2], [cell("all: signed"), *signed]]
    heads = [f"{name}: {quantity}" for name in comparison.samples[1:] for quantity in ("mean", "width")]
    return table(("Energy [GeV]", *heads), rows)


def _tables(comparison: Comparison) -> list[dict[str, Any]]:
    """Metrics of each compared sample, in the order of the names."""
    baseline = comparison.metrics.get("baseline")
    return [comparison.metrics, *([baseline] if baseline else [])]


def _copies(comparison: Comparison) -> list[str]:
    tables = [t["copies"] for t in _tables(comparison) if "copies" in t]
    if not tables:
        return []
    rows = [
        (cell(name), *(cell(f"{t[key]:.3g}") for key in ("generated_median", "unseen_median", "ks_p_value")))
        for name, t in zip(comparison.samples[1:], tables, strict=True)
    ]
    heads = ("Sample", "median distance", "of unseen showers", "KS p-value")
    return [section("Copies of the training showers?", COPIES_TEXT, table(heads, rows))]


def _pull(value: float) -> str:
    return f'<td class="{"within" if abs(value) <= 2 else "beyond"}">{value:+.1f}</td>'


def _probability(text: str, p_value: float) -> str:
    """A test with its p-value, marked below the 5 percent that two standard errors are."""
    return f'<td class="{"within" if p_value >= 0.05 else "beyond"}">{text} ({p_value:.2g})</td>'
