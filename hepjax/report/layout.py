"""Figures of many panels under one legend."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure

from hepjax.report.style import new_figure

ENTRY_INCHES = 1.75
LINE_INCHES = 0.3
PAGE_INCHES = 12.0
LARGEST_PANEL_INCHES = 3.4


def ratio_grid(count: int, entries: int, gap: float) -> tuple[Figure, list[tuple[Axes, Axes]]]:
    """A page of small panels, each with its ratio below, under room for a legend of so many entries.

    `in_a_row(count)` of them in a row, with `gap` inches between rows. Placed by hand, since constrained layout takes
    minutes for hundreds of axes.
    """
    columns = in_a_row(count)
    rows = -(-count // columns)
    width = min(PAGE_INCHES / columns, LARGEST_PANEL_INCHES)
    height, left, bottom = 0.72 * width, 0.8, 0.65
    across = left + width * columns
    top = LINE_INCHES * (1.4 + _lines(entries, across))
    down = bottom + (height + gap) * rows - gap + top
    figure = Figure(figsize=(across, down))
    FigureCanvasAgg(figure)
    sides = {"left": left / across, "right": 1 - 0.12 / across, "bottom": bottom / down, "top": 1 - top / down}
    outer = figure.add_gridspec(rows, columns, wspace=0.26, hspace=gap / height, **sides)
    cells = [outer[k].subgridspec(2, 1, height_ratios=(2.4, 1), hspace=0.0) for k in range(count)]
    tops = [figure.add_subplot(cell[0]) for cell in cells]
    return figure, [(axes, figure.add_subplot(cell[1], sharex=axes)) for axes, cell in zip(tops, cells, strict=True)]


def in_a_row(count: int) -> int:
    """Columns of a page of so many panels."""
    return min(5, count if count < 3 else -(-count // 2))


def page_of_panels(count: int, width: float, height: float, entries: int) -> tuple[Figure, SubFigure, list[SubFigure]]:
    """A figure with a strip for a legend above, and parts of this size in inches below, at most three in a row."""
    columns = min(3, count)
    rows = -(-count // columns)
    strip = LINE_INCHES * (0.6 + _lines(entries, width * columns))
    figure = new_figure(width * columns, height * rows + strip)
    head, body = np.ravel(figure.subfigures(2, 1, height_ratios=(strip, height * rows), squeeze=False))
    return figure, head, list(np.ravel(body.subfigures(rows, columns, squeeze=False))[:count])


def heading(part: Figure | SubFigure, axes: Axes) -> None:
    """The legend of these axes in a part of its own, in as many lines as it needs."""
    handles, labels = axes.get_legend_handles_labels()
    columns = entries_in_line(len(labels), part.bbox.width / part.figure.dpi)
    part.legend(handles, labels, loc="center", ncols=columns, fontsize=12, columnspacing=1.6)


def legend(figure: Figure, axes: Axes, columns: int) -> None:
    """The legend of these axes above the figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=columns, columnspacing=1.2, handletextpad=0.5)


def entries_in_line(entries: int, width: float) -> int:
    """Entries in each line of a legend in a figure of this width in inches."""
    return -(-entries // _lines(entries, width))


def _lines(entries: int, width: float) -> int:
    """Lines of a legend in a figure of this width in inches."""
    return -(-entries // max(1, int(width / ENTRY_INCHES)))
