"""Figures of an unfolding beside its observables: migrations, calibration of posteriors, a summary of distances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from hepjax.metrics.coverage import Coverage
from hepjax.metrics.migration import Migration
from hepjax.metrics.unfolding import UnfoldingComparison
from hepjax.report.layout import heading, legend, page_of_panels
from hepjax.report.style import COLOURS, FLOOR, house_style, new_figure
from hepjax.report.unfolding import looks

LEAST_PROBABILITY = 1e-3
FLAT = 0.02
SUMMARY_RANGE = (0.2, 100.0)


def migration_figure(migrations: Sequence[Migration]) -> Figure:
    """Probability of each reco bin for the events of each gen bin, one panel an observable."""
    columns = min(3, len(migrations))
    rows = -(-len(migrations) // columns)
    with house_style():
        figure = new_figure(3.7 * columns + 0.9, 3.5 * rows, gap=0.1)
        grid = figure.subplots(rows, columns, squeeze=False)
        meshes = [_migration(axes, m) for axes, m in zip(grid.ravel(), migrations, strict=False)]
        for axes in grid.ravel()[len(migrations) :]:
            axes.axis("off")
        figure.colorbar(meshes[0], ax=grid, label="Probability of the reco bin, given gen", aspect=30, extend="min")
        return figure


def coverage_figure(coverages: Mapping[str, Sequence[Coverage]]) -> Figure:
    """Quantiles of the truth in its posterior: their histogram, and the cumulative fraction minus the quantile.

    Bands: two standard errors of a bin; the deviation that 99 percent of posteriors that cover stay in. Dotted: 2
    percent.
    """
    with house_style():
        figure, head, parts = page_of_panels(len(next(iter(coverages.values()))), 4.4, 4.0, len(coverages))
        for k, part in enumerate(parts):
            _coverage(part, {name: c[k] for name, c in coverages.items()})
        heading(head, parts[0].axes[0])
        return figure


def summary_figure(comparison: UnfoldingComparison) -> Figure:
    """EMD and triangular discriminator of every sample and observable, in units of the floor's mean."""
    count = len(comparison.distributions)
    with house_style():
        figure = new_figure(9.6, 1.5 + count * max(0.62, 0.085 * len(comparison.samples)))
        left, right = figure.subplots(1, 2, sharey=True)
        _summary(left, comparison, "emd")
        _summary(right, comparison, "triangular")
        left.set_yticks(range(count), [d.label for d in comparison.distributions], fontsize=11)
        left.set_ylim(count - 0.5, -0.5)
        left.set_xlabel("EMD / mean of its floor", loc="center", fontsize=11)
        right.set_xlabel("Triangular discriminator / mean of its floor", loc="center", fontsize=11)
        legend(figure, left, 5)
        return figure


def _migration(axes: Axes, migration: Migration) -> QuadMesh:
    """The bins with two ends, coloured on a logarithmic scale; white where nothing migrates to."""
    finite = np.isfinite(migration.edges)
    inside = finite[1:] & finite[:-1]
    edges = migration.edges[finite]
    response = migration.response[np.ix_(inside, inside)].T
    norm = LogNorm(LEAST_PROBABILITY, 1)
    mesh = axes.pcolormesh(edges, edges, np.where(response > 0, response, np.nan), norm=norm, cmap="viridis")
    axes.plot(edges[[0, -1]], edges[[0, -1]], color=COLOURS[1], linewidth=0.9, linestyle=(0, (4, 3)))
    axes.set_title(migration.label, fontsize=11, pad=5)
    axes.set(xlabel="gen", ylabel="reco")
    axes.tick_params(which="both", direction="out", top=False, right=False)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    return mesh


def _coverage(figure: SubFigure, methods: Mapping[str, Coverage]) -> None:
    """One observable of all methods."""
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(1, 1), gridspec_kw={"hspace": 0.0})
    style = looks(["", *methods])
    first = next(iter(methods.values()))
    bins, expected = len(first.counts), first.counts.sum() / len(first.counts)
    spread = 2 * np.sqrt((1 - 1 / bins) / expected)
    top.axhspan(1 - spread, 1 + spread, color=FLOOR, alpha=0.55, linewidth=0)
    bottom.axhspan(-100 * first.floor.top, 100 * first.floor.top, color=FLOOR, alpha=0.55, linewidth=0)
    for end in (-FLAT, FLAT):
        bottom.axhline(100 * end, color=COLOURS[0], linewidth=1, linestyle=":")
    grid = np.linspace(0, 1, len(first.difference))
    away, reach = [2 * spread], [150 * FLAT]
    for name, c in methods.items():
        look, content = style[name], c.counts * bins / c.counts.sum()
        top.stairs(content, np.linspace(0, 1, bins + 1), baseline=None, color=look.colour, linewidth=1.5, label=name)
        bottom.plot(grid, 100 * c.difference, color=look.colour)
        reach.append(130 * c.deviation)
        away.append(1.2 * np.abs(content - 1).max())
    top.set(xlim=(0, 1), ylim=(max(0, 1 - max(away)), 1 + max(away)))
    bottom.set_ylim(-max(reach), max(reach))
    top.set_title(first.label, fontsize=11, pad=5)
    top.set_ylabel("Events / expected", loc="center", fontsize=11)
    bottom.set_ylabel("CDF - quantile [%]", loc="center", fontsize=11)
    bottom.set_xlabel("Quantile of the truth")


def _summary(axes: Axes, comparison: UnfoldingComparison, metric: str) -> None:
    """Points of one metric, samples below one another in each observable; the band ends at the 99 percent quantile."""
    style, others = looks(comparison.samples), comparison.samples[1:]
    scores = comparison.metrics["scores"]
    names = [d.name for d in comparison.distributions]
    rows = {name: [scores[name]["observables"][observable] for observable in names] for name in others}
    # The quantiles of all samples' floors are nearly the same multiple of their means.
    tops = [[r[f"{metric}_floor_99"] / r[f"{metric}_floor_mean"] for r in found] for found in rows.values()]
    top = np.max(tops, axis=0)
    axes.barh(range(len(names)), top, height=1.0, color=FLOOR, alpha=0.55, label="floor, to its 99% quantile")
    axes.axvline(1, color=COLOURS[0], linewidth=1)
    for place in np.arange(1, len(names)) - 0.5:
        axes.axhline(place, color="white", linewidth=2)
    low, high = SUMMARY_RANGE
    for k, name in enumerate(others):
        place = np.arange(len(names)) - 0.5 + (k + 1) / (len(others) + 1)
        ratio = np.clip([r[f"{metric}_ratio"] for r in rows[name]], low * 1.08, None)
        look = style[name]
        spread = [r.get(f"{metric}_bootstrap_spread", 0.0) / r[f"{metric}_floor_mean"] for r in rows[name]]
        axes.errorbar(
            ratio, place, xerr=spread, fmt=look.marker, color=look.colour, markersize=5, elinewidth=1, label=name
        )
        high = max(high, 1.3 * ratio.max())
    axes.set(xscale="log", xlim=(low, high))
    axes.tick_params(axis="y", which="both", left=False, right=False)
