"""Figures of a calibration: response and resolution against energy, and the likelihood of single showers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepjax.metrics.bootstrap import Estimate
from hepjax.metrics.response import CalibrationBin
from hepjax.report.style import COLOURS, FLOOR, MARKERS, house_style, new_figure

RESPONSE_BAND = 0.005
DROP_SHOWN = 6.0


def calibration_figure(methods: Mapping[str, Sequence[CalibrationBin]]) -> Figure:
    """Mode and half width of E_hat / E against the true energy, with bootstrap errors; the band is +-0.5 percent."""
    with house_style():
        figure = new_figure(6.4, 6.0)
        top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"hspace": 0.0})
        top.axhspan(1 - RESPONSE_BAND, 1 + RESPONSE_BAND, color=FLOOR, alpha=0.55, linewidth=0)
        top.axhline(1, color=COLOURS[0], linewidth=1)
        _estimates(top, methods, lambda b: b.mode, 1.0)
        _estimates(bottom, methods, lambda b: b.resolution, 100.0)
        top.set_ylabel(r"Mode of $\hat{E}\,/\,E$")
        bottom.set_ylabel(r"Half width $/$ mode of $\hat{E}\,/\,E$ [%]")
        bottom.set_ylim(bottom=0)
        bottom.set_xlabel("True energy [GeV]")
        top.legend(loc="best")
        return figure


def likelihood_figure(
    energy_mev: Float[np.ndarray, "showers k"],
    drop: Float[np.ndarray, "showers k"],
    interval_mev: Float[np.ndarray, "showers 3"],
    truth_mev: Float[np.ndarray, " showers"],
) -> Figure:
    """-2 delta lnL of a few showers against the energy, one panel a shower.

    drop: -2 delta lnL from the maximum. interval_mev: the interval's lower end, the estimate, the upper end. The
    interval is where the curve lies below 1; the dashed line is the true energy.
    """
    with house_style():
        figure = new_figure(2.9 * len(drop) + 0.4, 3.3)
        panels = figure.subplots(1, len(drop), sharey=True, squeeze=False)[0]
        for axes, energy, curve, ends, truth in zip(panels, energy_mev, drop, interval_mev, truth_mev, strict=True):
            _likelihood(axes, 1e-3 * energy, curve, 1e-3 * ends, 1e-3 * float(truth))
        panels[0].set_ylabel(r"$-2\,\Delta\,\mathrm{ln}\,L$")
        panels[0].set_ylim(0, DROP_SHOWN)
        return figure


def _estimates(
    axes: Axes,
    methods: Mapping[str, Sequence[CalibrationBin]],
    quantity: Callable[[CalibrationBin], Estimate],
    scale: float,
) -> None:
    """Points of every method, side by side in each bin."""
    for k, (name, bins) in enumerate(methods.items(), start=1):
        low, high = (1e-3 * np.array(ends) for ends in zip(*((b.low_mev, b.high_mev) for b in bins), strict=True))
        place = low + (high - low) * k / (len(methods) + 1)
        values, errors = scale * np.array([quantity(b) for b in bins]).T
        axes.errorbar(place, values, errors, fmt=MARKERS[k], color=COLOURS[k], markersize=5, elinewidth=1, label=name)


def _likelihood(axes: Axes, energy: np.ndarray, drop: np.ndarray, interval: np.ndarray, truth: float) -> None:
    low, estimate, high = interval
    axes.axvspan(low, high, color=FLOOR, alpha=0.55, linewidth=0)
    axes.axhline(1, color=COLOURS[0], linewidth=0.8)
    axes.axvline(truth, color=COLOURS[2], linestyle="--", linewidth=1.2)
    axes.plot(energy, drop, color=COLOURS[1])
    axes.plot([estimate], [0], MARKERS[1], color=COLOURS[1], markersize=5, clip_on=False)
    shown = energy[drop <= DROP_SHOWN]
    if shown.size:
        axes.set_xlim(min(shown.min(), truth), max(shown.max(), truth))
    axes.set_title(
        rf"$\hat{{E}} = {estimate:.2f}^{{+{high - estimate:.2f}}}_{{-{estimate - low:.2f}}}$ GeV", fontsize=10.5, pad=9
    )
    axes.set_xlabel("Energy [GeV]")
