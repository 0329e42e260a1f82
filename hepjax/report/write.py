"""Files of a report: metrics.json, figures and report.html, each whole or absent."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from hepjax.files import atomic_write
from hepjax.metrics.comparison import Comparison
from hepjax.report.distributions import distribution_figure, layer_energy_figure, overview_figure, profile_figure
from hepjax.report.html import render
from hepjax.report.images import average_figure, example_figure
from hepjax.report.numbers import write_json
from hepjax.report.page import png
from hepjax.report.panels import correlation_figure, floor_figure, history_figure, response_figure

OVERVIEW_OBSERVABLES = ("sum_over_e", "largest_over_e", "cells_above_1mev", "cell_spectrum")


def write_report(
    folder: str | os.PathLike[str],
    comparison: Comparison,
    provenance: Mapping[str, str],
    history: Mapping[str, Any] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> None:
    """Write `metrics.json`, `figures/*.png` and `report.html` to an existing folder.

    provenance: versions, files, date, shown in the report and kept in metrics.json. history: columns of a training
    history. extra: further entries of metrics.json.
    """
    shown = write_figures(folder, _figures(comparison, history), apart=OVERVIEW_OBSERVABLES)
    write_page(folder, render(comparison, shown, provenance))
    write_json(Path(folder) / "metrics.json", {**(extra or {}), **comparison.metrics, "provenance": dict(provenance)})


def write_figures(
    folder: str | os.PathLike[str], figures: Mapping[str, tuple[str, Figure | bytes]], apart: Collection[str] = ()
) -> dict[str, bytes]:
    """Write `figures/*.png`, and return what the page shows, caption -> PNG.

    figures: file name -> caption and figure, or the bytes of a PNG. apart: names of the figures that are files alone.
    """
    images = {n: (caption, f if isinstance(f, bytes) else png(f)) for n, (caption, f) in figures.items()}
    for name, (_, data) in images.items():
        _write_bytes(Path(folder) / "figures" / f"{name}.png", data)
    return {caption: data for name, (caption, data) in images.items() if name not in apart}


def write_page(folder: str | os.PathLike[str], page: str) -> None:
    """Write `report.html`."""
    with atomic_write(Path(folder) / "report.html") as path:
        path.write_text(page, encoding="utf-8")


def write_figure(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write a figure as PNG, whole or not at all, in a folder that is made when missing."""
    _write_bytes(Path(path), png(figure))


def _write_bytes(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def _figures(comparison: Comparison, history: Mapping[str, Any] | None) -> dict[str, tuple[str, Any]]:
    """File name -> caption and figure, in the order of the report."""
    reference = comparison.samples[0]
    figures = {
        "overview": (
            f"Observables of the showers; below, the ratio to {reference}. Bands and bars: one standard error. "
            "The end bins hold what lies outside.",
            overview_figure(comparison),
        ),
    }
    if "observables" in comparison.metrics:
        figures["floors"] = ("EMD of every observable in units of the statistical floor.", floor_figure(comparison))
    figures |= {
        "response": ("Response in bins of the incident energy.", response_figure(comparison)),
        "examples": ("Showers of nearly the same incident energies.", example_figure(comparison)),
        "averages": (
            f"Average shower and its ratio to {reference}.",
            average_figure(comparison.averages, comparison.layers),
        ),
        "correlations": ("Correlations of the cells' energies over E_inc.", correlation_figure(comparison)),
        "profiles": ("Row and column profiles.", profile_figure(comparison)),
    }
    if len(comparison.layers) > 1:
        figures["layer_energies"] = ("Energies of the layers over E_inc.", layer_energy_figure(comparison))
    for d in comparison.distributions:
        if d.name in OVERVIEW_OBSERVABLES:
            figures[d.name] = (d.name.replace("_", " "), distribution_figure(comparison, d.name))
    if history is not None:
        figures["history"] = ("Training history.", history_figure(history))
    return figures
