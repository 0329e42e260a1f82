"""Figures of the observables of unfolded samples, with their ratio to the truth, and the looks of the samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from hepjax.metrics.comparison import Distribution
from hepjax.metrics.histograms import density
from hepjax.metrics.unfolding import Classical, UnfoldingComparison
from hepjax.report.layout import heading, legend, page_of_panels
from hepjax.report.ratio import band, inverse, panels
from hepjax.report.style import Look, house_style, look_of, new_figure

RATIO_HALF_RANGE = 0.25
CLASSICAL = "D'Agostini"


_TRUTH = look_of(0)
_GIVEN = {"reco": Look("#a08c7d", (0, (1, 1.2)), "x"), "prior": Look("#111111", (0, (4, 1.8)), "d")}


def observable_figure(comparison: UnfoldingComparison, name: str) -> Figure:
    """One observable of every sample, with the ratio to the truth below."""
    k = [d.name for d in comparison.distributions].index(name)
    with house_style():
        figure = new_figure(5.2, 5.4)
        _observable(figure, comparison, k)
        legend(figure, figure.axes[0], 3)
        return figure


def observables_figure(comparison: UnfoldingComparison) -> Figure:
    """All observables of every sample on one page."""
    with house_style():
        figure, head, parts = page_of_panels(len(comparison.distributions), 4.6, 4.4, len(comparison.samples) + 1)
        for k, part in enumerate(parts):
            _observable(part, comparison, k)
        heading(head, parts[0].axes[0])
        return figure


def looks(names: Sequence[str]) -> dict[str, Look]:
    """The look of each sample; unfolded ones take the house's colours in turn."""
    methods = [name for name in names[1:] if name not in _GIVEN]
    return {names[0]: _TRUTH, **_GIVEN, **{name: look_of(k) for k, name in enumerate(methods, start=1)}}


def _observable(figure: Figure | SubFigure, comparison: UnfoldingComparison, k: int) -> None:
    """Densities above, ratios to the truth below."""
    distribution = comparison.distributions[k]
    truth, *others = comparison.samples
    style = looks(comparison.samples)
    top, bottom = panels(figure)
    edges = distribution.histograms[truth].edges
    reference, error = density(distribution.histograms[truth])
    top.stairs(reference, edges, fill=True, color=_TRUTH.colour, alpha=0.22, label=truth)
    top.stairs(reference, edges, color=_TRUTH.colour, linewidth=1)
    scale = inverse(reference)
    band(bottom, edges, 1 - error * scale, 1 + error * scale, _TRUTH.colour)
    bottom.axhline(1, color=_TRUTH.colour, linewidth=1)
    alpha = min(0.28, 0.8 / len(others))  # of bands that lie upon one another
    for name in others:
        values, errors = density(distribution.histograms[name])
        for axes, factor in ((top, np.ones_like(scale)), (bottom, scale)):
            look, y, e = style[name], values * factor, errors * factor
            axes.stairs(y, edges, baseline=None, color=look.colour, linestyle=look.line, linewidth=1.5, label=name)
            if name not in _GIVEN:
                band(axes, edges, y - e, y + e, look.colour, alpha)
    if comparison.classical:
        _points(top, bottom, comparison.classical[k])
    _axes(top, bottom, distribution)


def _points(top: Axes, bottom: Axes, classical: Classical) -> None:
    """The binned unfolding with its errors, in the bins that have two ends."""
    edges, counts = classical.unfolded.edges, classical.unfolded.counts
    finite = np.isfinite(edges[1:]) & np.isfinite(edges[:-1])
    centres, halves = 0.5 * (edges[1:] + edges[:-1])[finite], 0.5 * np.diff(edges)[finite]
    errors = np.sqrt(np.diag(classical.unfolded.covariance))
    truth, _ = density(classical.truth)
    per_width = 1 / (counts.sum() * 2 * halves)
    y, e = counts[finite] * per_width, errors[finite] * per_width
    style = {"fmt": "o", "color": "black", "markersize": 3.2, "elinewidth": 0.9, "zorder": 5}
    top.errorbar(centres, y, e, halves, label=CLASSICAL, **style)
    ratio = y / truth[finite]
    shown = np.abs(ratio - 1) <= RATIO_HALF_RANGE
    bottom.errorbar(centres[shown], ratio[shown], (e / truth[finite])[shown], halves[shown], **style)


def _axes(top: Axes, bottom: Axes, distribution: Distribution) -> None:
    edges = next(iter(distribution.histograms.values())).edges
    top.set_xlim(edges[0], edges[-1])
    top.set_ylim(0, 1.08 * top.get_ylim()[1])
    top.set_ylabel("Density")
    top.yaxis.set_major_locator(MaxNLocator(5, prune="lower"))
    bottom.set_ylim(1 - RATIO_HALF_RANGE, 1 + RATIO_HALF_RANGE)
    bottom.set_yticks([0.8, 1.0, 1.2])
    bottom.set_ylabel("Ratio to truth", loc="center", fontsize=10)
    bottom.set_xlabel(distribution.label)
