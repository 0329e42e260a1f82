"""Histograms of an evaluation by the CaloChallenge's metrics: a page for each kind of observable, one panel a layer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator

from hepjax.metrics.calochallenge import CaloComparison
from hepjax.metrics.comparison import Distribution
from hepjax.report.distributions import draw_histograms, logarithmic
from hepjax.report.layout import entries_in_line, in_a_row, legend, ratio_grid
from hepjax.report.style import house_style
from hepjax.types import Geometry

KINDS = {
    "energy": "Energy of the layer [MeV]",
    "centre_eta": r"Centre of energy in $\eta$ [mm]",
    "centre_phi": r"Centre of energy in $\varphi$ [mm]",
    "centre_r": r"Centre of energy in $r$ [mm]",
    "width_eta": r"Width in $\eta$ [mm]",
    "width_phi": r"Width in $\varphi$ [mm]",
    "width_r": r"Width in $r$ [mm]",
    "sparsity": "Sparsity",
}
"""Observables of a layer, and their labels."""
TITLE_INCHES = 0.22
RESPONSE = "etot_over_einc"
RESPONSE_LABEL = r"$E_\mathrm{tot}\,/\,E_\mathrm{inc}$"


def in_layers(comparison: CaloComparison, kind: str) -> dict[int, Distribution]:
    """The histograms of one kind of observable, by the number of the layer."""
    start = f"{kind}_layer_"
    return {int(d.name.removeprefix(start)): d for d in comparison.distributions if d.name.startswith(start)}


def at_energies(comparison: CaloComparison) -> dict[float, Distribution]:
    """The histograms of the response at one incident energy, by that energy in MeV."""
    start, shown = f"{RESPONSE}_", comparison.distributions
    return {float(d.name.removeprefix(start).removesuffix("mev")): d for d in shown if d.name.startswith(start)}


def layers_figure(comparison: CaloComparison, kind: str) -> Figure:
    """One of `KINDS` in every layer, with the ratio to the reference below."""
    shown = {f"Layer {number}": d for number, d in in_layers(comparison, kind).items()}
    # Layers without energy pile up at a position and a width of zero.
    return _page(shown, KINDS[kind], log=kind not in ("energy", "sparsity"))


def responses_figure(comparison: CaloComparison) -> Figure:
    """Response at every incident energy of set 1, with the ratio to the reference below."""
    shown = {f"{float(f'{energy / 1e3:.3g}'):g} GeV": d for energy, d in at_energies(comparison).items()}
    return _page(shown, RESPONSE_LABEL, log=False)


def layer_ticks(axes: Axes, geometry: Geometry) -> None:
    """Numbers of the layers, which stand front to back at 0, 1 ..., below a panel; at most fifteen of them."""
    numbers = [layer.number for layer in geometry.polar]
    step = 1 if len(numbers) < 15 else 5
    axes.set_xticks(range(0, len(numbers), step), [str(n) for n in numbers[::step]])
    axes.tick_params(axis="x", which="minor", bottom=False, top=False)
    axes.set_xlabel("Layer")


def _page(distributions: Mapping[str, Distribution], label: str, log: bool) -> Figure:
    """Panels by title, on a logarithmic scale or not. Where all have one abscissa, only the lowest number it."""
    shown = list(distributions.values())
    samples, edges, ends = len(shown[0].histograms), list(map(_edges, shown)), list(map(_ends, shown))
    common = all(logarithmic(e) or np.array_equal(e, edges[0]) for e in edges)
    with house_style():
        figure, panels = ratio_grid(len(shown), samples, TITLE_INCHES if common else 2 * TITLE_INCHES)
        for (top, bottom), (title, d) in zip(panels, distributions.items(), strict=True):
            _, content = draw_histograms(top, bottom, d, steps=True)
            top.set_title(title, fontsize=9, y=1.0, pad=3)  # with y given, matplotlib looks for no better one
            _ordinate(top, next(iter(content.values()))[0], log)
            _ticks(top, bottom)
        if common:
            ends = [(min(low for low, _ in ends), max(high for _, high in ends))] * len(shown)
            for _, bottom in panels[: -in_a_row(len(panels))]:
                bottom.tick_params(labelbottom=False)
        for (top, _), limits in zip(panels, ends, strict=True):
            top.set_xlim(*limits)
        figure.supxlabel(label, y=0.0, va="bottom", fontsize=12)
        figure.supylabel("Fraction of showers per bin", x=0.005, ha="left", fontsize=12)
        legend(figure, panels[0][0], entries_in_line(samples, figure.get_figwidth()))
        return figure


def _ordinate(axes: Axes, reference: np.ndarray, log: bool) -> None:
    """From zero, or from below the least filled bin."""
    filled = reference[reference > 0]
    if log and filled.size:
        axes.set(yscale="log", ylim=(0.5 * filled.min(), 2 * filled.max()))
        axes.yaxis.set_major_locator(LogLocator(numticks=4))
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(3, prune="lower"))


def _ticks(top: Axes, bottom: Axes) -> None:
    """Few and small ones, numbers of the abscissa below."""
    if top.get_xscale() == "log":
        bottom.xaxis.set_major_locator(LogLocator(numticks=5))
    else:
        bottom.xaxis.set_major_locator(MaxNLocator(4))
    bottom.set_yticks([0.75, 1.0, 1.25], ["", "1", ""])
    for axes in (top, bottom):
        axes.minorticks_off()
        axes.tick_params(labelsize=8, length=3)
    top.tick_params(labelbottom=False)


def _edges(distribution: Distribution) -> np.ndarray:
    return next(iter(distribution.histograms.values())).edges


def _ends(distribution: Distribution) -> tuple[float, float]:
    """Where the first filled bin of any sample begins, and where the last one ends."""
    edges, counts = _edges(distribution), [h.counts for h in distribution.histograms.values()]
    filled = np.flatnonzero(np.any(counts, axis=0))
    first, last = (filled[0], filled[-1] + 1) if filled.size else (0, -1)
    return float(edges[first]), float(edges[last])
