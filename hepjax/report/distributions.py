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
from hepjax.metrics.histograms import Histogram
from hepjax.report.ratio import band, inverse, panels
from hepjax.report.style import COLOURS, RATIO_HALF_RANGE, Look, brief, house_style, look_of, new_figure

Content = dict[str, tuple[np.ndarray, np.ndarray]]
"""Values and errors (b,) in the bins, by sample."""


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


def draw_distribution(
    figure: Figure | SubFigure, distribution: Distribution, notes: Mapping[str, str], *, legend: bool = True
) -> None:
    """Fraction of showers (or cells a shower) in each bin with statistical errors, and the ratio below."""
    top, bottom = panels(figure)
    edges, content = draw_histograms(top, bottom, distribution, notes)
    _name_axes(top, bottom, distribution.label, _ordinate(distribution))
    if logarithmic(edges):
        _log_scale(top, content)
    else:
        top.xaxis.set_major_locator(MaxNLocator(5))
        bottom.ticklabel_format(axis="x", style="plain")  # a power of ten would lie on the label
    if legend:
        _legend(top)


def draw_profile(figure: Figure | SubFigure, profile: Profile) -> None:
    """Mean energy fraction along one axis of a layer on a logarithmic scale, and the ratio below."""
    top, bottom = panels(figure)
    content = {name: (mean, profile.error[name]) for name, mean in profile.mean.items()}
    edges = np.arange(len(next(iter(profile.mean.values()))) + 1) - 0.5
    draw_curves(top, bottom, edges, content)
    _name_axes(top, bottom, f"{profile.name.capitalize()} of cells", r"Mean $E\,/\,E_\mathrm{inc}$")
    bottom.minorticks_off()
    top.minorticks_off()
    bottom.set_xticks(range(0, len(edges) - 1, max(1, len(edges) // 12)))
    _log_scale(top, content)
    _legend(top)


def draw_histograms(
    top: Axes, bottom: Axes, distribution: Distribution, notes: Mapping[str, str] | None = None, *, steps: bool = False
) -> tuple[np.ndarray, Content]:
    """An observable in given axes, a logarithmic one for bins of equal ratio; returns edges and what is drawn.

    notes: what the legend says of a sample beside its name. steps: see `draw_curves`.
    """
    edges = next(iter(distribution.histograms.values())).edges
    edges = 10.0**edges if distribution.log10 else edges
    if logarithmic(edges):
        top.set_xscale("log")
    content = {name: _content(h, distribution.entries) for name, h in distribution.histograms.items()}
    draw_curves(top, bottom, edges, content, notes, steps=steps)
    return edges, content


def draw_curves(
    top: Axes,
    bottom: Axes,
    edges: np.ndarray,
    content: Content,
    notes: Mapping[str, str] | None = None,
    *,
    steps: bool = False,
) -> None:
    """Values and errors (b,) of every sample, the reference first, above, and their ratio to it below.

    steps: ratios as lines with bands, where the error fits the panel, rather than points with bars: for many bins in
    little room.
    """
    for k, (name, (values, errors)) in enumerate(content.items()):
        _steps(top, edges, values, errors, look_of(k), _with_note(name, notes or {}))
    (reference, error), *others = content.values()
    scale = inverse(reference)
    band(bottom, edges, 1 - error * scale, 1 + error * scale, COLOURS[0])
    bottom.axhline(1, color=COLOURS[0], linewidth=1)
    for k, (values, errors) in enumerate(others, start=1):
        (_ratio_steps if steps else _ratio_points)(bottom, edges, values * scale, errors * scale, look_of(k))
    bottom.set_ylim(1 - RATIO_HALF_RANGE, 1 + RATIO_HALF_RANGE)
    top.set_xlim(edges[0], edges[-1])


def logarithmic(edges: np.ndarray) -> bool:
    """Whether bins are equal on a logarithmic scale.

    >>> logarithmic(np.array([1.0, 10.0, 100.0])), logarithmic(np.array([1.0, 2.0, 3.0]))
    (True, False)
    """
    return len(edges) > 2 and bool(edges[0] > 0) and np.allclose(np.diff(np.log(edges), 2), 0, atol=1e-9)


def _distribution(comparison: Comparison, name: str) -> Distribution:
    return next(d for d in comparison.distributions if d.name == name)


def _notes(comparison: Comparison, name: str) -> dict[str, str]:
    """What the legend says of each sample: its EMD in units of the floor's mean, where it was measured."""
    if "observables" not in comparison.metrics:
        return {}
    tables = [comparison.metrics, comparison.metrics.get("baseline")]
    rows = [table["observables"][name] for table in tables if table]
    return {s: f"EMD {brief(row['emd_ratio'])} x floor" for s, row in zip(comparison.samples[1:], rows, strict=True)}


def _with_note(name: str, notes: Mapping[str, str]) -> str:
    return f"{name}  ({notes[name]})" if name in notes else name


def _content(h: Histogram, entries: int) -> tuple[np.ndarray, np.ndarray]:
    """Entries a shower in each bin, and the error; zeros of an empty sample."""
    scale = entries / h.total if h.total else 0.0
    return h.counts * scale, np.sqrt(h.variance) * scale


def _ordinate(distribution: Distribution) -> str:
    return "Cells per shower and bin" if distribution.entries > 1 else "Fraction of showers per bin"


def _steps(axes: Axes, edges: np.ndarray, values: np.ndarray, errors: np.ndarray, look: Look, label: str) -> None:
    """The reference filled, the others as lines; bands of one standard error."""
    if look.colour == COLOURS[0]:
        mplhep.histplot(values, edges, ax=axes, histtype="fill", color=look.colour, alpha=0.22, edgecolor="none")
    style: dict[str, Any] = {"color": look.colour, "linestyle": look.line, "label": label}
    mplhep.histplot(values, edges, ax=axes, yerr=False, flow="none", edges=False, **style)
    band(axes, edges, values - errors, values + errors, look.colour)


def _name_axes(top: Axes, bottom: Axes, label: str, ordinate: str) -> None:
    bottom.set_ylabel("Ratio", loc="center")
    bottom.set_xlabel(label)
    top.set_ylabel(ordinate)


def _ratio_steps(axes: Axes, edges: np.ndarray, ratio: np.ndarray, errors: np.ndarray, look: Look) -> None:
    ratio = np.where(errors < RATIO_HALF_RANGE, ratio, np.nan)
    axes.stairs(ratio, edges, baseline=None, color=look.colour, linestyle=look.line, linewidth=1)
    band(axes, edges, ratio - errors, ratio + errors, look.colour)


def _ratio_points(axes: Axes, edges: np.ndarray, ratio: np.ndarray, errors: np.ndarray, look: Look) -> None:
    """Points with errors; an arrow at the edge where the ratio leaves the panel."""
    centres = np.sqrt(edges[1:] * edges[:-1]) if logarithmic(edges) else 0.5 * (edges[1:] + edges[:-1])
    low, high = 1 - RATIO_HALF_RANGE, 1 + RATIO_HALF_RANGE
    style: dict[str, Any] = {"color": look.colour, "linestyle": "none"}
    inside = (ratio >= low) & (ratio <= high)
    axes.errorbar(
        centres[inside], ratio[inside], errors[inside], marker=look.marker, markersize=3, elinewidth=0.9, **style
    )
    for beyond, edge, arrow in ((ratio > high, high - 0.05, "^"), (ratio < low, low + 0.05, "v")):
        axes.plot(centres[beyond], np.full(beyond.sum(), edge), marker=arrow, markersize=3, alpha=0.45, **style)


def _log_scale(axes: Axes, content: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Logarithmic ordinate from just below the least filled bin of the reference, with room for the legend."""
    values = next(iter(content.values()))[0]
    filled = values[values > 0]
    if filled.size:
        axes.set_yscale("log")
        axes.set_ylim(0.5 * filled.min(), filled.max() * (filled.max() / filled.min()) ** 0.35)


def _legend(axes: Axes) -> None:
    """Legend above the curves: on a linear scale the axis grows until they stay clear of it."""
    if axes.get_yscale() == "linear":
        axes.set_ylim(0, 1.45 * axes.get_ylim()[1])
    axes.legend(loc="upper left", borderaxespad=0.8, labelspacing=0.3)
