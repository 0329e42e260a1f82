"""Average showers of an evaluation by the CaloChallenge's metrics: wedges in polar coordinates, and their profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import NullFormatter

from hepjax.metrics.calochallenge import CaloComparison
from hepjax.metrics.layers import split
from hepjax.report.calochallenge import layer_ticks
from hepjax.report.distributions import draw_curves
from hepjax.report.layout import heading, page_of_panels
from hepjax.report.ratio import panels as panels_with_ratio
from hepjax.report.style import RATIO_HALF_RANGE, house_style, new_figure
from hepjax.types import Geometry, PolarLayer

Grids = Mapping[PolarLayer, np.ndarray]
"""Voxels (alpha, r) by layer, front to back."""
CHORDS = 90
"""A circle is drawn by at least so many of them."""
SPACE = (2.2, 2.5)
"""Distances of neighbouring discs of radius one, across and down."""
PAGE_INCHES = 9.6
LARGEST_DISC_INCHES = 1.3
DECADES = 6
LEAST_SHARE = 0.1
"""Voxels with less than this part of their layer's mean have no ratio drawn: theirs is noise."""
GROUPS = 5
"""Of layers, in the radial profiles of calorimeters with many."""
LEAST_RANGE = 0.03
"""Profiles are drawn over a factor of at least its inverse."""


def average_shower_figure(comparison: CaloComparison, sample: str) -> Figure:
    """Mean energy of every voxel in the reference and in a sample, and their ratio; one disc a layer.

    Rings of unequal widths, as in set 1, are drawn at the square root of their radius.
    """
    names = (comparison.reference, sample)
    reference, other = (dict(_by_layer(comparison.average[name], comparison.geometry)) for name in names)
    ratio = {layer: other[layer] / _filled(grid) for layer, grid in reference.items()}
    top = max(float(comparison.average[name].max()) for name in names)
    energy, span = LogNorm(10.0**-DECADES * top, top), Normalize(1 - RATIO_HALF_RANGE, 1 + RATIO_HALF_RANGE)
    columns, rows = _layout(len(reference))
    size = min(PAGE_INCHES / (3 * columns), LARGEST_DISC_INCHES)
    with house_style():
        figure = new_figure(3 * columns * size, rows * size * SPACE[1] / SPACE[0] + 0.7)
        panels = figure.subplots(1, 3)
        for axes, values, name in zip(panels, (reference, other), names, strict=False):
            _discs(axes, values, energy, "viridis", name)
        _discs(panels[2], ratio, span, "RdBu_r", f"{sample} / {comparison.reference}")
        _colour_bar(panels[:2], energy, "viridis", "Mean voxel energy [MeV]", "min")
        _colour_bar(panels[2:], span, "RdBu_r", "Ratio", "both")
        return figure


def profiles_figure(comparison: CaloComparison) -> Figure:
    """Mean energy against the layer, and against the radius in layers or groups of them, with the ratios below."""
    averages = {name: dict(_by_layer(average, comparison.geometry)) for name, average in comparison.average.items()}
    groups = _groups(comparison.geometry)
    with house_style():
        figure, head, parts = page_of_panels(1 + len(groups), 4.6, 4.2, len(averages))
        longitudinal(parts[0], comparison)
        for part, group in zip(parts[1:], groups, strict=True):
            _radial(part, averages, group)
        heading(head, parts[0].axes[0])
        return figure


def longitudinal(figure: SubFigure, comparison: CaloComparison) -> None:
    """Draw the mean energy of each layer."""
    content = {
        name: np.array([grid.sum() for _, grid in _by_layer(average, comparison.geometry)])
        for name, average in comparison.average.items()
    }
    top, bottom = _profile(figure, np.arange(len(comparison.geometry.polar) + 1) - 0.5, content)
    top.set_title("Longitudinal profile", fontsize=11, pad=5)
    top.set_ylabel("Mean energy [MeV]")
    layer_ticks(bottom, comparison.geometry)
    top.tick_params(axis="x", which="minor", bottom=False, top=False)


def _radial(figure: SubFigure, averages: Mapping[str, Grids], group: Sequence[PolarLayer]) -> None:
    """Energy of the rings of some layers of the same rings, a mm."""
    edges = np.array(group[0].r_edges_mm, float)
    content = {name: sum(grids[layer].sum(0) for layer in group) / np.diff(edges) for name, grids in averages.items()}
    top, bottom = _profile(figure, edges, content)
    if not _even(edges):
        top.set_xscale("function", functions=(np.sqrt, np.square))
        ticks = edges[-1] * np.linspace(0, 1, 5) ** 2
        bottom.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        bottom.minorticks_off()
    top.set_ylabel(r"Mean $\mathrm{d}E\,/\,\mathrm{d}r$ [MeV/mm]")
    first, last = group[0].number, group[-1].number
    top.set_title(f"Layer {first}" if first == last else f"Layers {first} to {last}", fontsize=11, pad=5)
    bottom.set_xlabel(r"$r$ [mm]")


def _profile(figure: SubFigure, edges: np.ndarray, content: Mapping[str, np.ndarray]) -> tuple[Axes, Axes]:
    """Curves without errors on a logarithmic scale, and their ratio."""
    top, bottom = panels_with_ratio(figure)
    draw_curves(top, bottom, edges, {name: (y, np.zeros_like(y)) for name, y in content.items()}, steps=True)
    values = np.concatenate(list(content.values()))
    if values.any():
        low, high = values[values > 0].min(), values.max()
        top.set(yscale="log", ylim=(min(0.5 * low, LEAST_RANGE * high), 2 * high))
    top.yaxis.set_minor_formatter(NullFormatter())
    bottom.set_ylabel("Ratio", loc="center")
    return top, bottom


def _by_layer(values: Float[np.ndarray, " v"], geometry: Geometry) -> Iterator[tuple[PolarLayer, np.ndarray]]:
    """Each layer with its voxels (alpha, r)."""
    return zip(geometry.polar, split(values, geometry), strict=True)


def _groups(geometry: Geometry) -> list[tuple[PolarLayer, ...]]:
    """Layers one by one, or in five groups of neighbours where there are more, of the same rings."""
    layers = geometry.polar
    if len(layers) <= 2 * GROUPS or len({layer.r_edges_mm for layer in layers}) > 1:
        return [(layer,) for layer in layers]
    return [tuple(layers[k] for k in part) for part in np.array_split(np.arange(len(layers)), GROUPS)]


def _filled(grid: np.ndarray) -> np.ndarray:
    return np.where(grid > LEAST_SHARE * grid.mean(), grid, np.nan)


def _even(edges: np.ndarray) -> bool:
    return np.allclose(np.diff(edges, 2), 0)


def _layout(layers: int) -> tuple[int, int]:
    """Columns and rows of discs: 5 x 9 of 45."""
    columns = max(1, round(np.sqrt(5 / 9 * layers)))
    return columns, -(-layers // columns)


def _discs(axes: Axes, grids: Grids, norm: Normalize, colours: str, title: str) -> None:
    """All layers, front to back in lines, with their numbers."""
    columns, rows = _layout(len(grids))
    for k, (layer, grid) in enumerate(grids.items()):
        x, y = SPACE[0] * (k % columns), -SPACE[1] * (k // columns)
        _disc(axes, layer, grid, (x, y), norm, colours)
        axes.text(x - 1.05, y + 0.78, str(layer.number), fontsize=7.5)
    axes.set(xlim=(-1.1, SPACE[0] * (columns - 1) + 1.1), ylim=(-SPACE[1] * (rows - 1) - 1.1, 1.2), aspect="equal")
    axes.set_title(title, fontsize=11, pad=5)
    axes.axis("off")


def _disc(
    axes: Axes, layer: PolarLayer, grid: np.ndarray, centre: tuple[float, float], norm: Normalize, colours: str
) -> None:
    """The voxels of a layer as wedges of a disc of radius one; white where there is nothing."""
    edges = np.array(layer.r_edges_mm) / layer.r_edges_mm[-1]
    radius = edges if _even(edges) else np.sqrt(edges)
    chords = -(-CHORDS // layer.alpha_bins)
    angle = np.linspace(-np.pi, np.pi, layer.alpha_bins * chords + 1)[:, None]
    x, y = np.cos(angle), np.sin(angle)
    shown = np.ma.masked_invalid(np.ma.masked_less_equal(np.repeat(grid, chords, axis=0), 0.0))
    axes.pcolormesh(centre[0] + radius * x, centre[1] + radius * y, shown, norm=norm, cmap=colours)
    axes.plot(centre[0] + x, centre[1] + y, color="#888888", linewidth=0.5)


def _colour_bar(panels: np.ndarray, norm: Normalize, colours: str, label: str, extend: str) -> None:
    bar = panels[0].figure.colorbar(
        ScalarMappable(norm, colours),
        ax=panels,
        extend=extend,
        orientation="horizontal",
        pad=0.01,
        aspect=24 * len(panels),
    )
    bar.ax.tick_params(labelsize=9, direction="out", top=False)
    bar.set_label(label, fontsize=10, loc="center")
