"""Figures of an anomaly search: scores, ROC curves and significance improvement for several signals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepjax.metrics.histograms import density, histogram, linear_edges
from hepjax.metrics.significance import Roc, Sic
from hepjax.report.style import COLOURS, LINES, house_style, new_figure

BINS = 40
CENTRAL = 0.98
LOWEST_SIC = 0.1


def sic_figure(panels: Mapping[str, Mapping[str, Sic]]) -> Figure:
    """SIC against the signal efficiency, one panel a score, one curve a signal; bands hold 68 percent of bootstraps."""

    def draw(axes: Axes, curves: Mapping[str, Sic]) -> None:
        for k, (name, curve) in enumerate(curves.items(), start=1):
            axes.plot(curve.signal, curve.value, color=COLOURS[k], linestyle=LINES[k], label=name)
            axes.fill_between(curve.signal, curve.low, curve.high, color=COLOURS[k], alpha=0.22, linewidth=0)
        efficiency = np.linspace(0, 1, 201)
        axes.plot(efficiency, np.sqrt(efficiency), color=COLOURS[0], linewidth=1, linestyle=":", label="random cut")

    figure = _panels(panels, draw, r"$\mathrm{SIC} = \epsilon_S\,/\,\sqrt{\epsilon_B}$")
    figure.axes[0].set_ylim(bottom=LOWEST_SIC)
    return figure


def roc_figure(panels: Mapping[str, Mapping[str, Roc]]) -> Figure:
    """Background rejection against the signal efficiency, one panel a score, one curve a signal."""

    def draw(axes: Axes, curves: Mapping[str, Roc]) -> None:
        for k, (name, curve) in enumerate(curves.items(), start=1):
            kept = curve.background > 0
            axes.plot(curve.signal[kept], 1 / curve.background[kept], color=COLOURS[k], linestyle=LINES[k], label=name)
        efficiency = np.geomspace(1e-3, 1, 201)
        axes.plot(efficiency, 1 / efficiency, color=COLOURS[0], linewidth=1, linestyle=":", label="random cut")

    figure = _panels(panels, draw, r"Background rejection $1\,/\,\epsilon_B$")
    figure.axes[0].set_ylim(bottom=1)
    return figure


def score_figure(background: np.ndarray, signals: Mapping[str, np.ndarray], label: str = "Anomaly score") -> Figure:
    """Densities of a score of background (filled) and signals; the end bins hold what lies outside."""
    edges = linear_edges(background, *signals.values(), bins=BINS, coverage=CENTRAL)
    with house_style():
        figure = new_figure(6.0, 4.4)
        axes = figure.subplots()
        for k, (name, scores) in enumerate({"background": background, **signals}.items()):
            values, _ = density(histogram(scores, edges, fold=True))
            axes.stairs(values, edges, color=COLOURS[k], linestyle=LINES[k], label=name, linewidth=1.6)
            if k == 0:
                axes.stairs(values, edges, fill=True, color=COLOURS[0], alpha=0.22)
        axes.set(xlabel=label, ylabel="Density", xlim=(edges[0], edges[-1]), yscale="log")
        figure.legend(loc="outside upper center", ncols=2)
        return figure


def _panels(panels: Mapping[str, Mapping[str, object]], draw: Callable, label: str) -> Figure:
    """One panel for each title, all with the signal efficiency below and one legend."""
    with house_style():
        figure = new_figure(4.6 * len(panels) + 0.6, 4.6)
        row = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (title, curves) in zip(row, panels.items(), strict=True):
            draw(axes, curves)
            axes.set_title(title, fontsize=11)
            axes.set(xlim=(0, 1), xlabel=r"Signal efficiency $\epsilon_S$", yscale="log")
        row[0].set_ylabel(label)
        handles, labels = row[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=3)
        return figure
