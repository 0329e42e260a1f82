"""Parts of figures with a ratio panel."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure


def panels(figure: Figure | SubFigure) -> tuple[Axes, Axes]:
    """Axes of the curves and, below, of their ratio."""
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1), gridspec_kw={"hspace": 0.0})
    return top, bottom


def band(axes: Axes, edges: np.ndarray, low: np.ndarray, high: np.ndarray, colour: str, alpha: float = 0.28) -> None:
    """A band from low to high in each bin."""
    low, high = (np.append(v, v[-1]) for v in (low, high))
    axes.fill_between(edges, low, high, step="post", color=colour, alpha=alpha, linewidth=0)


def inverse(reference: np.ndarray) -> np.ndarray:
    """One over the reference; NaN, hence not drawn, where it is empty."""
    return 1 / np.where(reference > 0, reference, np.nan)
