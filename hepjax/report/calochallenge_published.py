"""An evaluation by the CaloChallenge's metrics beside the published submissions: a table, scores, quality and time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepjax.metrics.bootstrap import Estimate
from hepjax.metrics.calochallenge import CaloComparison
from hepjax.report.calochallenge_tables import LABELS, Row, Table, estimate, samples
from hepjax.report.style import COLOURS, FLOOR, Look, house_style, look_of, new_figure
from hepjax.report.submissions import BATCHES, GEANT4, SCORES, SOURCE, Submission

PUBLISHED = Look("#111111", "", "d")
DRAWN = {
    "auc_low": "AUC, voxels",
    "auc_high": "AUC, high-level",
    "fpd": r"FPD $\times\,10^3$",
    "kpd": r"KPD $\times\,10^3$",
}
"""Scores of the figures, and their labels."""
LINEAR = {"fpd": 1.0, "kpd": 0.1}
"""Below, the scale is linear: what is near zero within its error may be negative."""
AT_ONCE = 1
"""Of `BATCHES`, that whose times are drawn: 100 showers."""
FLOOR_NAME = f"{GEANT4} (published floor)"


def drawn(comparison: CaloComparison) -> list[str]:
    """The scores of the figures that were asked for."""
    return [score for score in DRAWN if any(score in comparison.scores[name] for name in samples(comparison))]


def published_table(comparison: CaloComparison, others: Sequence[Submission]) -> Table:
    """One row a sample or published submission, the least FPD first, of the scores that both have; times, parameters.

    Samples without an FPD stand on top.
    """
    asked = [score for score in SCORES if any(score in comparison.scores[name] for name in samples(comparison))]
    times = [f"{device} ms, {batch:,} at once" for device in ("GPU", "CPU") for batch in BATCHES]
    own = [(name, {s: estimate(comparison.scores[name], s) for s in asked}) for name in samples(comparison)]
    rows = [(_fpd(scores), Row(name, name, (*scores.values(), *[None] * (len(times) + 1)))) for name, scores in own]
    for other in others:
        cells = (*(other.scores.get(s) for s in asked), *other.gpu_ms, *other.cpu_ms, other.parameters)
        rows.append((_fpd(other.scores), Row(f"{other.model} (published)", _label(other), cells)))
    ranked = tuple(row for _, row in sorted(rows, key=lambda pair: pair[0]))
    return Table("Sample", (*(LABELS[s] for s in asked), *times, "Parameters"), ranked)


def published_figure(comparison: CaloComparison, others: Sequence[Submission]) -> Figure:
    """AUC, FPD and KPD with their errors, above those of published submissions; a line at what Geant4 itself has."""
    shown, names = drawn(comparison), samples(comparison)
    labels = [*names, *(_label(other) for other in others)]
    with house_style():
        figure = new_figure(2.9 * len(shown) + 1.4, 1.3 + 0.34 * len(labels))
        panels = np.ravel(figure.subplots(1, len(shown), sharey=True, squeeze=False))
        for axes, score in zip(panels, shown, strict=True):
            for place, name in enumerate(names):
                if (found := estimate(comparison.scores[name], score)) is not None:
                    _score(axes, place, found, look_of(place + 1))
            for place, other in enumerate(others, start=len(names)):
                _score(axes, place, other.scores[score], PUBLISHED)
            _score_axis(axes, score)
            axes.axvline(_floor(others, score), color=COLOURS[0], linewidth=1, linestyle=":")
            axes.axhspan(len(names) - 0.5, len(labels), color=FLOOR, alpha=0.2, linewidth=0)
        panels[0].set_yticks(range(len(labels)), labels, fontsize=11)
        panels[0].set_ylim(len(labels) - 0.5, -0.5)
        figure.suptitle(f"Shaded: published in {SOURCE}", x=0.99, ha="right", fontsize=9.5)
        return figure


def quality_figure(comparison: CaloComparison, others: Sequence[Submission]) -> Figure:
    """Scores against the time a shower on a GPU, 100 at once: numbered submissions, and lines of the samples.

    The samples have no time here; `hepjax calochallenge timing` measures it. Dotted: Geant4's own showers.
    """
    shown = drawn(comparison)
    timed = [other for other in others if other.gpu_ms[AT_ONCE] is not None]
    with house_style():
        figure = new_figure(3.6 * len(shown) + 2.6, 1.6 + max(2.6, 0.2 * (len(timed) + 4)))
        panels = np.ravel(figure.subplots(1, len(shown), squeeze=False))
        for axes, score in zip(panels, shown, strict=True):
            for number, other in enumerate(timed, start=1):
                x, y = other.gpu_ms[AT_ONCE], other.scores[score].value
                label, edge = f"{number}  {other.model}", PUBLISHED.colour
                axes.plot(x, y, "o", color="white", markeredgecolor=edge, markersize=11, label=label)
                axes.annotate(str(number), (x, y), ha="center", va="center", fontsize=7)
            for k, name in enumerate(samples(comparison), start=1):
                if (found := estimate(comparison.scores[name], score)) is not None:
                    axes.axhline(found.value, color=look_of(k).colour, linestyle=look_of(k).line, label=name)
            axes.axhline(_floor(others, score), color=COLOURS[0], linewidth=1, linestyle=":", label=FLOOR_NAME)
            axes.set_xscale("log")
            if score in LINEAR:
                axes.set_yscale("symlog", linthresh=LINEAR[score])
                axes.set_ylim(*_limits(score, *axes.dataLim.intervaly))
            axes.margins(x=0.12)
            axes.set_ylabel(DRAWN[score])
        panels[-1].set_xlabel("ms a shower, GPU, 100 at once")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=8.5, handlelength=1.2)
        return figure


def _fpd(scores: Mapping[str, Estimate | None]) -> float:
    found = scores.get("fpd")
    return -np.inf if found is None else found.value


def _label(other: Submission) -> str:
    return FLOOR_NAME if other.model == GEANT4 else f"{other.model} (published)"


def _floor(others: Sequence[Submission], score: str) -> float:
    return next(other.scores[score].value for other in others if other.model == GEANT4)


def _score(axes: Axes, place: int, score: Estimate, look: Look) -> None:
    error = score.error if np.isfinite(score.error) else 0.0
    axes.errorbar(score.value, place, xerr=error, fmt=look.marker, color=look.colour, markersize=6, elinewidth=1.2)


def _score_axis(axes: Axes, score: str) -> None:
    """Linear for AUC from what no classifier can tell, logarithmic for distances."""
    axes.set_xlabel(DRAWN[score], loc="center")
    axes.tick_params(axis="y", which="both", left=False, right=False)
    if score.startswith("auc"):
        axes.set_xlim(min(0.47, axes.get_xlim()[0]), 1.02)
    else:
        axes.set_xscale("symlog", linthresh=LINEAR[score])
        axes.set_xlim(*_limits(score, *axes.dataLim.intervalx))


def _limits(score: str, low: float, high: float) -> tuple[float, float]:
    """Ends of an axis that is linear below `LINEAR` and logarithmic above."""
    linear = LINEAR[score]
    return low / 2 if low > linear else min(1.5 * low, 0) - 0.5 * linear, 2 * max(high, linear)
