"""Figures that sum up an evaluation by the CaloChallenge: an overview, and separation powers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import NullFormatter

from hepjax.metrics.calochallenge import CaloComparison
from hepjax.report.calochallenge import KINDS, RESPONSE, RESPONSE_LABEL, at_energies, in_layers, layer_ticks
from hepjax.report.calochallenge_showers import longitudinal
from hepjax.report.calochallenge_tables import COUNTED, beyond_floor, separations
from hepjax.report.distributions import draw_distribution
from hepjax.report.layout import entries_in_line, heading, legend, page_of_panels
from hepjax.report.style import COLOURS, FLOOR, Look, house_style, look_of, new_figure

SUMMARY_RANGE = (0.2, 10.0)
LARGEST_RATIO = 1e4
"""Ratios beyond, infinite ones too where a floor is zero, are drawn there."""

Rows = Mapping[str, Mapping[str, float]]


def calochallenge_overview_figure(comparison: CaloComparison) -> Figure:
    """Response, voxels, longitudinal profile, and the separation powers of every kind against the layer.

    Band: the floor up to its 99 percent quantile; full markers lie beyond it.
    """
    rows, kinds = separations(comparison), [kind for kind in KINDS if in_layers(comparison, kind)]
    first = [d for d in comparison.distributions if d.name in (RESPONSE, "voxels")]
    with house_style():
        count = len(first) + 1 + len(kinds)
        figure, head, parts = page_of_panels(count, 4.6, 4.2, len(comparison.average))
        for part, distribution in zip(parts, first, strict=False):
            draw_distribution(part, distribution, {}, legend=False)
        longitudinal(parts[len(first)], comparison)
        for part, kind in zip(parts[len(first) + 1 :], kinds, strict=True):
            _against_layer(part, comparison, kind, rows)
        heading(head, parts[len(first)].axes[0])
        return figure


def separation_figure(comparison: CaloComparison) -> Figure:
    """Separation powers of every kind in units of their floor, one point a layer; full ones lie beyond the floor."""
    lines, rows = _lines(comparison), separations(comparison)
    with house_style():
        figure = new_figure(9.0, 1.2 + len(lines) * max(0.5, 0.16 * len(rows)))
        axes = figure.subplots()
        _floors(axes, lines, next(iter(rows.values())))
        low, high = SUMMARY_RANGE
        for k, (name, table) in enumerate(rows.items(), start=1):
            for place, observables in enumerate(lines.values()):
                ratios = np.clip([table[o][f"{COUNTED}_ratio"] for o in observables], 1.08 * low, LARGEST_RATIO)
                places = np.full(len(ratios), place - 0.5 + k / (len(rows) + 1))
                _points(axes, ratios, places, _beyond(table, observables), look_of(k))
                high = max(high, 1.3 * ratios.max())
            axes.plot([], [], look_of(k).marker, color=look_of(k).colour, markersize=5, label=name)
        axes.set(xscale="log", xlim=(low, high))
        axes.set_xlabel("Separation power / mean of its floor")
        legend(figure, axes, entries_in_line(len(rows) + 1, 9.0))
        return figure


def _against_layer(figure: SubFigure, comparison: CaloComparison, kind: str, rows: Mapping[str, Rows]) -> None:
    """Separation powers of one kind; layers count front to back."""
    axes = figure.subplots()
    numbers = [layer.number for layer in comparison.geometry.polar]
    layers = in_layers(comparison, kind)
    names, places = [d.name for d in layers.values()], np.array([numbers.index(n) for n in layers])
    floors = [next(iter(rows.values()))[name] for name in names]
    means, tops = ([floor[f"{COUNTED}_floor_{part}"] for floor in floors] for part in ("mean", "99"))
    bottom = 0.3 * min((mean for mean in means if mean > 0), default=1e-3)
    axes.bar(places, tops, width=1.0, color=FLOOR, alpha=0.55, linewidth=0)
    axes.plot(places, means, "_", color=COLOURS[0], markersize=5)
    for k, table in enumerate(rows.values(), start=1):
        values = np.maximum([table[name][COUNTED] for name in names], 1.1 * bottom)
        beside = 0.25 * (k - 0.5 * (len(rows) + 1)) / len(rows)
        _points(axes, places + beside, values, _beyond(table, names), look_of(k))
    axes.set(yscale="log", xlim=(-0.6, len(numbers) - 0.4))
    axes.set_ylim(bottom, max(20 * bottom, 1.2 * axes.get_ylim()[1]))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_title(KINDS[kind], fontsize=11, pad=5)
    axes.set_ylabel("Separation power")
    layer_ticks(axes, comparison.geometry)


def _lines(comparison: CaloComparison) -> dict[str, list[str]]:
    """Observables by the label of their kind."""
    shown = {d.name: d for d in comparison.distributions}
    lines = {
        RESPONSE_LABEL: [shown[RESPONSE]] if RESPONSE in shown else [],
        f"{RESPONSE_LABEL} at each energy": at_energies(comparison).values(),
        "Voxel energy": [shown["voxels"]] if "voxels" in shown else [],
        **{label: in_layers(comparison, kind).values() for kind, label in KINDS.items()},
    }
    return {label: [d.name for d in line] for label, line in lines.items() if line}


def _floors(axes: Axes, lines: Mapping[str, Sequence[str]], rows: Rows) -> None:
    """Lines of observables below one another, with bands to the median 99 percent quantile in units of the mean."""
    tops = [np.median([_top(rows[name]) for name in names]) for names in lines.values()]
    axes.barh(range(len(lines)), tops, height=1.0, color=FLOOR, alpha=0.55, label="floor, to its 99% quantile")
    axes.axvline(1, color=COLOURS[0], linewidth=1)
    for place in np.arange(1, len(lines)) - 0.5:
        axes.axhline(place, color="white", linewidth=2)
    axes.set_yticks(range(len(lines)), lines, fontsize=11)
    axes.tick_params(axis="y", which="both", left=False, right=False)
    axes.set_ylim(len(lines) - 0.5, -0.5)


def _top(row: Mapping[str, float]) -> float:
    """The 99 percent quantile of a floor in units of its mean."""
    mean = row[f"{COUNTED}_floor_mean"]
    return row[f"{COUNTED}_floor_99"] / mean if mean > 0 else 1.0


def _beyond(rows: Rows, observables: Sequence[str]) -> np.ndarray:
    return np.array([beyond_floor(rows[o]) for o in observables])


def _points(axes: Axes, x: np.ndarray, y: np.ndarray, beyond: np.ndarray, look: Look) -> None:
    """Full where beyond the floor, hollow within."""
    for chosen, face in ((beyond, look.colour), (~beyond, "white")):
        axes.plot(
            x[chosen],
            y[chosen],
            look.marker,
            color=look.colour,
            markerfacecolor=face,
            markersize=4,
            markeredgewidth=0.9,
        )
