"""Images of the cells of each layer: single showers and averages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from hepjax.metrics.comparison import Comparison
from hepjax.report.style import RATIO_HALF_RANGE, house_style, new_figure
from hepjax.types import Layer

LOWEST_CELL_MEV = 0.1
LOWEST_SHARE = 3e-5
"""Cells with less than this share of the average shower have no ratio drawn: theirs is noise."""


def example_figure(comparison: Comparison) -> Figure:
    """Showers of every sample at nearly the same incident energies, layer by layer, on one logarithmic colour scale."""
    examples, layers = comparison.examples, comparison.layers
    columns = len(next(iter(examples.values())).energy_mev)
    top = max(float(cells.max()) for e in examples.values() for cells in e.cells_mev)
    norm = LogNorm(LOWEST_CELL_MEV, max(top, 10 * LOWEST_CELL_MEV))
    rows = [(k, name) for k in range(len(layers)) for name in comparison.samples]
    with house_style():
        figure = new_figure(2.1 * columns + 1.2, 2.25 * len(rows) + 0.2, gap=0.06)
        panels = figure.subplots(len(rows), columns, squeeze=False)
        for row, (k, name) in zip(panels, rows, strict=True):
            row[0].set_ylabel(", ".join([name, *_layer_name(k, layers)]), loc="center")
            for axes, energy, cells in zip(row, examples[name].energy_mev, examples[name].cells_mev[k], strict=True):
                _image(axes, cells, layers[k], norm, "viridis")
                axes.set_title(f"{energy / 1e3:.1f} GeV", fontsize=10, pad=3)
        figure.colorbar(
            ScalarMappable(norm, "viridis"), ax=panels, label="Cell energy [MeV]", aspect=15 * len(rows), extend="min"
        )
        return figure


def average_figure(averages: Mapping[str, Sequence[np.ndarray]], layers: Sequence[Layer]) -> Figure:
    """Average shower, layer by layer: every sample on one logarithmic colour scale, then its ratio to the first.

    averages: sample -> mean E / E_inc of the cells, (rows, columns) for each layer, the reference first.
    """
    reference, *others = averages
    lowest = LOWEST_SHARE * sum(float(grid.sum()) for grid in averages[reference])
    with house_style():
        figure = new_figure(2.5 * (2 * len(averages) - 1) + 2.4, 2.5 * len(layers) + 0.3, gap=0.06)
        panels = figure.subplots(len(layers), 2 * len(averages) - 1, squeeze=False)
        for k, (row, layer) in enumerate(zip(panels, layers, strict=True)):
            row[0].set_ylabel("".join(_layer_name(k, layers)).capitalize(), loc="center")
            _average_row(figure, row, [average[k] for average in averages.values()], layer, lowest)
        for axes, name in zip(panels[0], [*averages, *(f"{name} / {reference}" for name in others)], strict=True):
            axes.set_title(name, fontsize=11, pad=4)
        return figure


def _average_row(figure: Figure, row: np.ndarray, values: Sequence[np.ndarray], layer: Layer, lowest: float) -> None:
    """One layer: the samples, their colour bar, the ratios where the reference has more than `lowest`, and theirs."""
    reference, *others = values
    filled = np.where(reference > lowest, reference, np.nan)
    norm = LogNorm(*_log_range(reference))
    means = [_image(axes, v, layer, norm, "viridis") for axes, v in zip(row, values, strict=False)]
    figure.colorbar(means[0], ax=row[: len(means)], label=r"Mean $E\,/\,E_\mathrm{inc}$", shrink=0.95, pad=0.015)
    span = Normalize(1 - RATIO_HALF_RANGE, 1 + RATIO_HALF_RANGE)
    ratios = [
        _image(axes, v / filled, layer, span, "RdBu_r") for axes, v in zip(row[len(means) :], others, strict=True)
    ]
    figure.colorbar(ratios[0], ax=row[len(means) :], label="Ratio", extend="both", shrink=0.95, pad=0.015)


def _log_range(values: np.ndarray) -> tuple[float, float]:
    """From the least filled cell to the largest, at least a decade, for layers that are empty too."""
    filled = values[values > 0]
    top = float(filled.max()) if filled.size else 1.0
    return min(float(filled.min()) if filled.size else 1.0, 0.1 * top), top


def _layer_name(k: int, layers: Sequence[Layer]) -> list[str]:
    """The name of a layer, where there are several."""
    return [f"layer {k}"] if len(layers) > 1 else []


def _image(axes: Axes, cells: np.ndarray, layer: Layer, norm: Normalize, colours: str) -> AxesImage:
    """The cells in their true proportions; empty ones are white, those below the scale take its lowest colour."""
    axes.set_xticks([], [])
    axes.set_yticks([], [])
    axes.minorticks_off()
    shown = np.ma.masked_invalid(np.ma.masked_less_equal(cells, 0.0))
    aspect = layer.pitch_mm[0] / layer.pitch_mm[1]
    return axes.imshow(shown, norm=norm, cmap=colours, origin="lower", interpolation="nearest", aspect=aspect)
