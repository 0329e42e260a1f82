"""The look of the figures: one set of parameters, one colour and marker a sample."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

REFERENCE = "#4d4d4d"
GENERATED = "#d1495b"
BASELINE = "#2e86ab"
COLOURS = (REFERENCE, GENERATED, BASELINE, "#edae49", "#5b8e7d", "#7b5ea7", "#8c564b", "#d67fb1", "#17a2a2")
MARKERS = ("s", "o", "^", "D", "v", "P", "X", "<", ">")
_DASHES = ((4, 1.5), (6, 1.5, 1, 1.5), (1, 1), (10, 2), (3, 3), (8, 2, 1, 2, 1, 2), (2, 1))
LINES = ("-", "-", *((0, dashes) for dashes in _DASHES))
FLOOR = "#b7b7b7"
RATIO_HALF_RANGE = 0.5

PARAMETERS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["TeX Gyre Heros", "Helvetica", "Arial", "DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 11,
    "axes.labelsize": 12,
    "axes.linewidth": 0.9,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "axes.formatter.limits": (-3, 4),
    "xaxis.labellocation": "right",
    "yaxis.labellocation": "top",
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.minor.visible": True,
    "ytick.minor.visible": True,
    "xtick.major.size": 6,
    "ytick.major.size": 6,
    "xtick.minor.size": 3,
    "ytick.minor.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "legend.handlelength": 1.6,
    "lines.linewidth": 1.6,
    "savefig.dpi": 150,
    "figure.dpi": 150,
}


class Look(NamedTuple):
    """How a sample is drawn."""

    colour: str
    line: str | tuple
    marker: str


def look_of(k: int) -> Look:
    """The look of sample k, 0 the reference; those after the ninth start over behind it."""
    k = 1 + (k - 1) % (len(COLOURS) - 1) if k else 0
    return Look(COLOURS[k], LINES[k], MARKERS[k])


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with the house's parameters; the user's own are untouched afterwards."""
    with matplotlib.rc_context(PARAMETERS):
        yield


def new_figure(width: float, height: float, gap: float = 0.03) -> Figure:
    """An empty figure that belongs to no window and no global state; sizes and the gap between rows in inches."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.06, h_pad=gap, hspace=0.0))
    FigureCanvasAgg(figure)
    return figure


def brief(value: float) -> str:
    """Two or three significant digits without an exponent.

    >>> brief(143.2), brief(14.32), brief(0.7123)
    ('143', '14', '0.71')
    """
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
