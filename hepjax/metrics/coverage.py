"""Do posteriors cover? Simulation-based calibration (arXiv:1804.06788) of posteriors of particle level given reco.

Where the truth is a draw of the posterior, its rank among k posterior draws is uniform on 0, ..., k. Observables with
ties (a multiplicity, the point mass of a groomed observable) get a random rank among the draws that equal the truth.

Draws may have weights, which make them follow another law than the one they were drawn from. Of the k draws and the
truth, if it is of that other law, each is then the truth with a probability that is its share of the k + 1 weights. So
a random point within the truth's share of the weights, all of them in order of the values, is uniform: exactly, for any
number of draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Real
from scipy.special import kolmogi

from hepjax.metrics.floor import QUANTILE, Floor
from hepjax.metrics.substructure import label
from hepjax.types import Column, InputError

BINS = 20
POINTS = 200
KOLMOGOROV_MEAN = np.sqrt(np.pi / 2) * np.log(2)  # of sqrt(n) times the distance


class Coverage(NamedTuple):
    """Where the truth lies in the posterior, for one observable.

    counts: (20,), events in equal bins of the posterior's quantile of the truth. difference: (201,), their cumulative
    fraction minus the quantile, at equal steps of the quantile from 0 to 1. deviation: the largest size of it, a
    Kolmogorov-Smirnov distance. floor: of the deviation, for as many events of a posterior that covers at every level.
    """

    column: Column
    counts: Float[np.ndarray, " bins"]
    difference: Float[np.ndarray, " points"]
    deviation: float
    floor: Floor

    @property
    def label(self) -> str:
        """Axis label of the observable."""
        return label(self.column)


def coverage(
    draws: Real[np.ndarray, ...],
    truth: Real[np.ndarray, ...],
    columns: Sequence[Column],
    seed: int = 0,
    *,
    weight: Real[np.ndarray, ...] | None = None,
    truth_weight: Real[np.ndarray, ...] | None = None,
) -> tuple[Coverage, ...]:
    """Calibration of posteriors, observable by observable.

    draws: (k, n, d), of the posterior of each of n events. truth: (n, d), the gen of these events, which must follow
    the prior that the posteriors are for. weight: (k, n), of draws whose weights make them the posterior's.
    truth_weight: (n,), what the truth would weigh as a draw. All events count the same. Values are compared in float32,
    so that equal ones are equal. Raises InputError for shapes that do not agree, values that are not finite, or weights
    that are not positive.
    """
    draws, truth = np.asarray(draws, np.float32), np.asarray(truth, np.float32)
    if draws.shape[1:] != truth.shape or truth.shape[1:] != (len(columns),) or not draws.size:
        raise InputError(f"coverage: expected draws (k, n, d) of a truth (n, d), got {draws.shape} and {truth.shape}")
    if not np.isfinite(draws).all() or not np.isfinite(truth).all():
        raise InputError("coverage: expected finite observables")
    weights, own = _weights(draws, weight, truth_weight)
    below, ties = (np.sum(weights * chosen, axis=0) for chosen in (draws < truth, draws == truth))
    # A number between two ranks makes the law of the quantile continuous, so that the floor is exact.
    rank = below + np.random.default_rng(seed).uniform(size=truth.shape) * (ties + own)
    return tuple(map(_coverage, columns, np.sort(rank / (weights.sum(0) + own), axis=0).T))


def _weights(
    draws: np.ndarray, weight: np.ndarray | None, of_truth: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the draws, (k, n, 1), and of the truth, (n, 1)."""
    if weight is None and of_truth is None:
        return np.ones((*draws.shape[:2], 1)), np.ones((draws.shape[1], 1))
    weight, of_truth = np.asarray(weight, np.float64), np.asarray(of_truth, np.float64)
    if weight.shape != draws.shape[:2] or of_truth.shape != draws.shape[1:2]:
        raise InputError(f"coverage: expected weights (k, n) and (n,), got {weight.shape} and {of_truth.shape}")
    for values in (weight, of_truth):
        if not (np.isfinite(values) & (values > 0)).all():
            raise InputError("coverage: expected finite weights above zero")
    return weight[..., None], of_truth[..., None]


def _coverage(column: Column, quantile: Float[np.ndarray, " n"]) -> Coverage:
    """Calibration of one observable from the sorted quantiles of its truth."""
    n = len(quantile)
    steps, grid = np.arange(n + 1) / n, np.linspace(0, 1, POINTS + 1)
    deviation = max((steps[1:] - quantile).max(), (quantile - steps[:-1]).max())
    return Coverage(
        column,
        np.histogram(quantile, BINS, (0, 1))[0].astype(np.float64),
        np.searchsorted(quantile, grid, side="right") / n - grid,
        float(deviation),
        Floor(float(KOLMOGOROV_MEAN / np.sqrt(n)), float(kolmogi(1 - QUANTILE) / np.sqrt(n))),
    )
