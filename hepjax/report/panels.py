"""Figures of a comparison that are neither histograms nor showers: floors, response, correlations, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepjax.metrics.comparison import Comparison
from hepjax.metrics.response import Moments, ResponseBin
from hepjax.report.style import COLOURS, FLOOR, MARKERS, house_style, new_figure


def floor_figure(comparison: Comparison) -> Figure:
    """EMD of every observable in units of its floor's mean; the band ends at the floor's 99 percent quantile."""
    tables = [comparison.metrics, comparison.metrics.get("baseline")]
    rows = [table["observables"] for table in tables if table]
    names = [d.name for d in comparison.distributions]
    with house_style():
        figure = new_figure(6.4, 0.9 + 0.235 * len(names))
        axes = figure.subplots()
        place = np.arange(len(names))
        top = [rows[0][n]["emd_floor_99"] / (rows[0][n]["emd_floor_mean"] or 1.0) for n in names]
        axes.barh(place, top, height=1.0, color=FLOOR, alpha=0.55, label="to its 99% quantile")
        axes.axvline(1, color=COLOURS[0], linewidth=1, label="mean of the floor")
        for k, (sample, table) in enumerate(zip(comparison.samples[1:], rows, strict=True), start=1):
            ratios = [table[n]["emd_ratio"] for n in names]
            axes.plot(ratios, place, MARKERS[k], color=COLOURS[k], markersize=5, label=sample)
        _scorecard_axes(axes, [d.label for d in comparison.distributions], comparison.samples[0])
        return figure


def response_figure(comparison: Comparison) -> Figure:
    """Mean and width of sum/E in bins of incident energy, and the pulls of each."""
    with house_style():
        figure = new_figure(10.0, 4.4)
        panels = figure.subplots(2, 2, sharex=True, height_ratios=(2.2, 1), gridspec_kw={"hspace": 0.0})
        for column, quantity in enumerate(("mean", "width")):
            _response_column(panels[:, column], comparison, quantity)
        panels[0, 0].legend(loc="best")
        panels[0, 0].set_ylabel(r"Mean of $\Sigma_i E_i\,/\,E_\mathrm{inc}$")
        panels[0, 1].set_ylabel(r"Width of $\Sigma_i E_i\,/\,E_\mathrm{inc}$")
        return figure


def correlation_figure(comparison: Comparison) -> Figure:
    """Correlation matrices of the cells' energies over E_inc, and their differences from the reference."""
    first, *others = comparison.samples
    matrices = comparison.correlations
    with house_style():
        figure = new_figure(3.9 * len(comparison.samples) + 0.6, 7.8, gap=0.1)
        panels = figure.subplots(2, len(comparison.samples), squeeze=False)
        images = [_matrix(axes, matrices[name], 1.0, name) for axes, name in zip(panels[0], matrices, strict=True)]
        figure.colorbar(images[0], ax=panels[0], label="Correlation", shrink=0.9, aspect=30)
        limit = max(0.05, *(np.quantile(np.abs(matrices[n] - matrices[first]), 0.999) for n in others))
        for axes, name in zip(panels[1, 1:], others, strict=True):
            images.append(_matrix(axes, matrices[name] - matrices[first], limit, f"{name} - {first}"))
        figure.colorbar(images[-1], ax=panels[1], label="Difference", shrink=0.9, aspect=30)
        panels[1, 0].axis("off")
        return figure


def history_figure(history: Mapping[str, Any], title: str = "") -> Figure:
    """Training history, column -> (rows,): each against the column `epoch`, or the row number where there is none."""
    columns = {name: np.asarray(values, float) for name, values in history.items()}
    columns = {name: values for name, values in columns.items() if np.isfinite(values).any()}
    epoch = columns.pop("epoch", np.arange(1, 1 + len(next(iter(columns.values())))))
    losses = {name: v for name, v in columns.items() if "loss" in name}
    panels = [losses, *({name: v} for name, v in columns.items() if name not in losses)]
    panels = [panel for panel in panels if panel]
    with house_style():
        figure = new_figure(6.0, 1.0 + 2.2 * len(panels))
        rows = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
        for axes, panel in zip(rows, panels, strict=True):
            for k, (name, values) in enumerate(panel.items()):
                axes.plot(epoch, values, color=COLOURS[(k + 1) % len(COLOURS)], label=name.replace("_", " "))
            axes.legend(loc="best")
        rows[-1].set_xlabel("Epoch")
        figure.suptitle(title)
        return figure


def _scorecard_axes(axes: Axes, labels: Sequence[str], reference: str) -> None:
    axes.set_xscale("log")
    axes.set_yticks(range(len(labels)), labels, fontsize=9.5)
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_xlabel(f"EMD to {reference} / mean of the floor")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.3), max(high, 4.0))
    axes.figure.legend(loc="outside upper center", ncols=4, columnspacing=1.2, handletextpad=0.5)


def _response_column(panels: np.ndarray, comparison: Comparison, quantity: str) -> None:
    """Values above, pulls below, for one of `mean` and `width`."""
    top, bottom = panels
    bins = comparison.response[comparison.samples[1]]
    _points(top, bins, [b.reference for b in bins], quantity, 0, comparison.samples[0])
    for k, name in enumerate(comparison.samples[1:], start=1):
        bins = comparison.response[name]
        _points(top, bins, [b.generated for b in bins], quantity, k, name)
        pulls = [getattr(b, f"{quantity}_pull") for b in bins]
        bottom.plot(_centres(bins), np.clip(pulls, -4.7, 4.7), MARKERS[k], color=COLOURS[k], markersize=5)
    bottom.axhspan(-2, 2, color=FLOOR, alpha=0.55, linewidth=0)
    bottom.axhline(0, color=COLOURS[0], linewidth=1)
    bottom.set(ylim=(-5, 5), xlabel="Incident energy [GeV]")
    bottom.set_ylabel("Pull", loc="center")


def _points(axes: Axes, bins: Sequence[ResponseBin], values: Sequence[Moments], quantity: str, k: int, name: str):
    y = [getattr(v, quantity) for v in values]
    errors = [getattr(v, f"{quantity}_error") for v in values]
    half_widths = [0.5e-3 * (b.high_mev - b.low_mev) for b in bins]
    axes.errorbar(
        _centres(bins), y, errors, half_widths, MARKERS[k], color=COLOURS[k], markersize=5, elinewidth=1, label=name
    )


def _centres(bins: Sequence[ResponseBin]) -> list[float]:
    return [0.5e-3 * (b.low_mev + b.high_mev) for b in bins]


def _matrix(axes: Axes, matrix: np.ndarray, limit: float, title: str):
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("Cell, row by row")
    axes.tick_params(direction="out", which="both", top=False, right=False)
    return axes.imshow(matrix, cmap="RdBu_r", vmin=-limit, vmax=limit, origin="lower", interpolation="nearest")
