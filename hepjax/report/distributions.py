"""Histograms and profiles with ratio panels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from hepjax.metrics.comparison import Comparison, Distribution, Profile
from hepjax.report.ratio import band, inverse, panels
from hepjax.report.style import COLOURS, LINES, MARKERS, RATIO_HALF_RANGE, brief, house_style, new_figure


def distribution_figure(comparison: Comparison, name: str) -> Figure:
    """One observable of every sample, with the ratio to the reference below."""
    with house_style():
        figure = new_figure(5.2, 4.8)
        draw_distribution(figure, _distribution(comparison, name), _notes(comparison, name))
        return figure


def profile_figure(comparison: Comparison) -> Figure:
    """Mean energy fraction of each row and each column of every layer, with ratio panels."""
    rows = len(comparison.profiles) // 2
    with house_style():
        figure = new_figure(10.0, 4.6 * rows)
        for part, profile in zip(np.ravel(figure.subfigures(rows, 2, squeeze=False)), comparison.profiles, strict=True):
            draw_profile(part, profile)
        return figure


def layer_energy_figure(comparison: Comparison) -> Figure:
    """Energy of each layer over the incident energy, with ratio panels."""
    names = [f"layer_{k}_over_e" for k in range(len(comparison.layers))]
    with house_style():
        figure = new_figure(4.8 * len(names), 4.6)
        for part, name in zip(np.ravel(figure.subfigures(1, len(names), squeeze=False)), names, strict=True):
            draw_distribution(part, _distribution(comparison, name), _notes(comparison, name))
        return figure


def overview_figure(comparison: Comparison) -> Figure:
    """Four global observables and the profiles of all layers on one page."""
    count = 4 + len(comparison.profiles)
    columns = 2 if count % 3 else 3
    with house_style():
        figure = new_figure(4.8 * columns, 4.4 * (count // columns))
        parts = np.ravel(figure.subfigures(count // columns, columns, squeeze=False))
        for part, distribution in zip(parts[:4], comparison.distributions, strict=False):
            draw_distribution(part, distribution, _notes(comparison, distribution.name))
        for part, profile in zip(parts[4:], comparison.profiles, strict=True):
            draw_profile(part, profile)
        return figure


def draw_distribution(figure: Figure | SubFigure, distribution: Distribution, notes: Mapping[str, str]) -> None:
    """Fraction of showers (or cells a shower) in each bin with statistical errors, and the ratio below."""
    top, bottom = panels(figure)
    edges = next(iter(distribution.histograms.values())).edges
    if distribution.log10:
        edges = 10.0**edges
        top.set_xscale("log")
    content = {name: _content(h, distribution.entries) for name, h in distribution.histograms.items()}
    for k, (name, (values, errors)) in enumerate(content.items()):
        _steps(top, edges, values, errors, k, _with_note(name, notes))
    _finish(top, bottom, edges, content, distribution.label, _ordinate(distribution))
    if distribution.log10:
        _log_scale(top, content)
    else:
        top.xaxis.set_major_locator(MaxNLocator(5))
        bottom.ticklabel_format(axis="x", style="plain")  # a power of ten would lie on the label
    _legend(top)


def draw_profile(figure: Figure | SubFigure, profile: Profile) -> None:
    """Mean energy fraction along one axis of a layer on a logarithmic scale, and the ratio below."""
    top, bottom = panels(figure)
    content = {name: (mean, profile.error[name]) for name, mean in profile.mean.items()}
    edges = np.arange(len(next(iter(profile.mean.values()))) + 1) - 0.5
    for k, (name, (values, errors)) in enumerate(content.items()):
        _steps(top, edges, values, errors, k, name)
    _finish(top, bottom, edges, content, f"{profile.name.capitalize()} of cells", r"Mean $E\,/\,E_\mathrm{inc}$")
    bottom.minorticks_off()
    top.minorticks_off()
    bottom.set_xticks(range(0, len(edges) - 1, max(1, len(edges) // 12)))
    _log_scale(top, content)
    _legend(top)


def _distribution(comparison: Comparison, name: str) -> Distribution:
    return next(d for d in comparison.distributions if d.name == name)


def _notes(comparison: Comparison, name: str) -> dict[str, str]:
    """What the legend says of each sample: its EMD in units of the floor's mean."""
    tables = [comparison.metrics, comparison.metrics.get("baseline")]
    rows = [table["observables"][name] for table in tables if table]
    return {s: f"EMD {brief(row['emd_ratio'])} x floor" for s, row in zip(comparison.samples[1:], rows, strict=True)}


def _with_note(name: str, notes: Mapping[str, str]) -> str:
    return f"{name}  ({notes[name]})" if name in notes else name


def _content(h, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries a shower in each bin, and the error."""
    scale = entries / h.total
    return h.counts * scale, np.sqrt(h.variance) * scale


def _ordinate(distribution: Distribution) -> str:
    return "Cells per shower and bin" if distribution.entries > 1 else "Fraction of showers per bin"


def _steps(axes: Axes, edges: np.ndarray, values: np.ndarray, errors: np.ndarray, k: int, label: str) -> None:
    """The reference filled, the others as lines; bands of one standard error."""
    if k == 0:
        mplhep.histplot(values, edges, ax=axes, histtype="fill", color=COLOURS[0], alpha=0.22, edgecolor="none")
    mplhep.histplot(
        values, edges, ax=axes, yerr=False, color=COLOURS[k], linestyle=LINES[k], label=label, flow="none", edges=False
    )
    band(axes, edges, values - errors, values + errors, COLOURS[k])


def _finish(top: Axes, bottom: Axes, edges, content, label: str, ordinate: str) -> None:
    """Draw the ratio panel and name the axes."""
    (reference, error), *others = content.values()
    scale = inverse(reference)
    band(bottom, edges, 1 - error * scale, 1 + error * scale, COLOURS[0])
    bottom.axhline(1, color=COLOURS[0], linewidth=1)
    centres = np.sqrt(edges[1:] * edges[:-1]) if top.get_xscale() == "log" else 0.5 * (edges[1:] + edges[:-1])
    for k, (values, errors) in enumerate(others, start=1):
        _ratio(bottom, centres, values * scale, errors * scale, k)
    bottom.set_ylim(1 - RATIO_HALF_RANGE, 1 + RATIO_HALF_RANGE)
    bottom.set_ylabel("Ratio", loc="center")
    bottom.set_xlabel(label)
    top.set_ylabel(ordinate)
    top.set_xlim(edges[0], edges[-1])


def _ratio(axes: Axes, centres: np.ndarray, ratio: np.ndarray, errors: np.ndarray, k: int) -> None:
    """Points with errors; an arrow at the edge where the ratio leaves the panel."""
    low, high = 1 - RATIO_HALF_RANGE, 1 + RATIO_HALF_RANGE
    style: dict[str, Any] = {"color": COLOURS[k], "linestyle": "none"}
    inside = (ratio >= low) & (ratio <= high)
    axes.errorbar(
        centres[inside], ratio[inside], errors[inside], marker=MARKERS[k], markersize=3, elinewidth=0.9, **style
    )
    for beyond, edge, arrow in ((ratio > high, high - 0.05, "^"), (ratio < low, low + 0.05, "v")):
        axes.plot(centres[beyond], np.full(beyond.sum(), edge), marker=arrow, markersize=3, alpha=0.45, **style)


def _log_scale(axes: Axes, content: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Logarithmic ordinate from just below the least filled bin of the reference, with room for the legend."""
    values = next(iter(content.values()))[0]
    filled = values[values > 0]
    axes.set_yscale("log")
    axes.set_ylim(0.5 * filled.min(), filled.max() * (filled.max() / filled.min()) ** 0.35)


def _legend(axes: Axes) -> None:
    """Legend above the curves: on a linear scale the axis grows until they stay clear of it."""
    if axes.get_yscale() == "linear":
        axes.set_ylim(0, 1.45 * axes.get_ylim()[1])
    axes.legend(loc="upper left", borderaxespad=0.8, labelspacing=0.3)
