"""What shows whether an iterated reweighting can be trusted: its weights, its classifiers, and its closure."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from hepjax import metrics
from hepjax.pipelines.events.reweighting import MAX_LOG
from hepjax.training.history import History
from hepjax.types import AnyArray, Column

RECO, GEN, FAKES = "reco", "gen", "fakes"
"""Names of the steps: both of the method, and the mean that events outside of the phase space take."""
QUANTILES = (0.01, 0.16, 0.5, 0.84, 0.99)
BINS = 20
LEAST_P, LEAST_MISFIT = 1e-3, 0.02
"""A fit has not closed where chance is less likely than this, and what is left is more than this."""


class Step(NamedTuple):
    """One step: what its classifier learned, and the weights after it. Shapes are those of one step, or stacked.

    loss: cross-entropy in nats of the epoch taken, on held-out events where there are any; ln 2 = 0.693 for a step 1
    that cannot tell the simulation from the data. epochs: that the classifier trained. clipped: fraction of the events
    whose logit was cut at +-`reweighting.MAX_LOG`. effective: (sum w)^2 / sum w^2, the effective number of simulated
    events. quantiles: (5,) of the weight relative to the generator's, at `QUANTILES`. largest: the greatest of them.
    """

    loss: Float[AnyArray, "*steps"]
    epochs: Float[AnyArray, "*steps"]
    clipped: Float[AnyArray, "*steps"]
    effective: Float[AnyArray, "*steps"]
    quantiles: Float[AnyArray, "*steps q"]
    largest: Float[AnyArray, "*steps"]


class Closure(NamedTuple):
    """How well the weighted simulation describes the data at detector level; all (e,), of every observable.

    chi2: per degree of freedom, in up to 20 bins of as many data events each. p_value: of chi^2 by chance. misfit: the
    root mean square, over the data, of the relative difference between both, beyond its statistical error.
    """

    chi2: Float[AnyArray, " e"]
    p_value: Float[AnyArray, " e"]
    misfit: Float[AnyArray, " e"]


class Diagnostics(NamedTuple):
    """All iterations of an unfolding.

    steps: by name, of (iterations,) each. chi2: (iterations + 1, e), chi^2 per degree of freedom between each
    detector-level observable of the data and of the simulation with the weights of so many iterations; 1 for two
    samples of one law, and below as soon as the weights follow fluctuations of the data. closure: of the last
    iteration; None for fits of before it was kept.
    """

    steps: dict[str, Step]
    chi2: Float[AnyArray, "iterations+1 e"]
    closure: Closure | None = None


def step(
    history: History,
    log_ratio: Float[AnyArray, " n"],
    factor: Float[AnyArray, " n"],
    weight: Float[AnyArray, " n"],
) -> Step:
    """Of a classifier with its logarithm of the ratio, and the weights `weight` = generator's times `factor`."""
    losses = history.get("val_loss", history["loss"])
    # Without validation the last epoch is taken, with it the best.
    loss = losses.min() if "val_loss" in history else losses[-1]
    weight, factor = np.asarray(weight, np.float64), np.asarray(factor, np.float64)
    values = (
        loss,
        len(losses),
        np.mean(np.abs(np.asarray(log_ratio)) >= MAX_LOG),
        metrics.effective_size(weight),
        np.quantile(factor, QUANTILES),
        factor.max(),
    )
    return Step(*(np.asarray(value, np.float32) for value in values))


def reco_closure(
    data: Float[AnyArray, "m e"],
    data_weight: Float[AnyArray, " m"],
    simulation: Float[AnyArray, "n e"],
    simulation_weight: Float[AnyArray, " n"],
) -> Closure:
    """Closure of all observables, in up to 20 bins of as many data events each.

    Both samples are normalised to the data's sum of weights.
    """
    data, simulation = np.asarray(data), np.asarray(simulation)
    u, v = np.asarray(data_weight, np.float64), np.asarray(simulation_weight, np.float64)
    v = v * (u.sum() / v.sum())
    each = [_closure(x, u, y, v) for x, y in zip(data.T, simulation.T, strict=True)]
    return Closure(*np.array(each, np.float32).T)


def _closure(x: np.ndarray, x_weight: np.ndarray, y: np.ndarray, y_weight: np.ndarray) -> tuple[float, float, float]:
    inner = np.unique(np.quantile(x, np.linspace(0, 1, BINS + 1)[1:-1]))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    a, b = metrics.histogram(x, edges, x_weight), metrics.histogram(y, edges, y_weight)
    variance = a.variance + b.variance
    filled = variance > 0
    squares, variance, content = np.square(a.counts - b.counts)[filled], variance[filled], np.abs(a.counts[filled])
    chi2, ndf = (squares / variance).sum(), max(filled.sum() - 1, 1)
    excess = ((squares - variance) / np.maximum(content, np.sqrt(variance))).sum() / content.sum()
    return float(chi2 / ndf), float(stats.chi2.sf(chi2, ndf)), float(np.sqrt(max(excess, 0.0)))


def not_closed(closure: Closure) -> np.ndarray:
    """Columns of the observables in which a fit has not closed, as flags (e,).

    That is beyond chance, with a probability of one in a thousand for all observables together, and by more than 2
    percent: what a classifier leaves of a difference that only the statistics of many events resolve is no alarm.
    """
    least = LEAST_P / len(closure.p_value)
    return (np.asarray(closure.p_value) < least) & (np.asarray(closure.misfit) > LEAST_MISFIT)


def unclosed(closure: Closure | None, columns: tuple[Column, ...]) -> str | None:
    """One line on the observables in which a fit has not closed, or None."""
    if closure is None or not (flags := not_closed(closure)).any():
        return None
    found = zip(columns, *closure, flags, strict=True)
    each = [
        f"{column.name} (chi2/ndf {chi2:.1f}, off by {misfit:.1%})" for column, chi2, _, misfit, flag in found if flag
    ]
    return f"the weighted simulation does not describe the data at detector level in {', '.join(each)}"


def warn(log: logging.Logger, method: str, closure: Closure | None, columns: tuple[Column, ...]) -> None:
    """Log a fit that has not closed as a warning, which shows without any set-up."""
    if (line := unclosed(closure, columns)) is not None:
        log.warning("hepjax: %s: the fit did not close: %s", method, line)


def table(diagnostics: Diagnostics) -> str:
    """The record as lines of text: one a step and iteration."""
    lines = ["iteration step     loss epochs  clipped  effective  median    99%  largest  chi2/ndf"]
    chi2 = np.asarray(diagnostics.chi2).max(1)
    lines.append(f"{0:9d} {'':62}  {chi2[0]:12.2f}")
    for iteration, worst in enumerate(chi2[1:]):
        for name in (RECO, GEN, FAKES):
            if name not in diagnostics.steps:
                continue
            s = Step(*(np.asarray(value)[iteration] for value in diagnostics.steps[name]))
            lines.append(
                f"{iteration + 1:9d} {name:5} {s.loss:8.4f} {s.epochs:6.0f} {s.clipped:8.2%} {s.effective:10.0f} "
                f"{s.quantiles[2]:7.3f} {s.quantiles[4]:6.2f} {s.largest:8.2f} {worst:9.2f}"
            )
    return "\n".join(lines)
