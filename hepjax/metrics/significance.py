"""ROC curves and the significance improvement characteristic of an anomaly score; a higher score is more anomalous.

A cut that keeps the fractions eps_S of the signal and eps_B of the background improves the significance S / sqrt(B)
by SIC = eps_S / sqrt(eps_B) (arXiv:1010.3698). Where hardly any background passes, SIC is the ratio to a few
events, so that cuts below a floor of passing background events do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hepjax.metrics.bootstrap import BOOTSTRAPS, Estimate, draws, multiplicities
from hepjax.types import InputError

FLOOR = 10
POINTS = 200
_ENTRIES_AT_ONCE = 1 << 22

Weight = Float[np.ndarray, " _"] | None


class Roc(NamedTuple):
    """Efficiencies of cuts from the tightest, (0, 0), to none, (1, 1): one point for each value of the score."""

    background: Float[np.ndarray, " t"]
    signal: Float[np.ndarray, " t"]


class Sic(NamedTuple):
    """Significance improvement with errors from bootstraps of both samples.

    signal: (k,) efficiencies eps_S. value: (k,) SIC at these; low, high: its central 68 percent. NaN where fewer
    background events than the floor pass. maximum: the largest SIC above the floor; a maximum over cuts is biased
    upward by about its error. at: eps_B -> SIC there, NaN where that is below the floor.
    """

    signal: Float[np.ndarray, " k"]
    value: Float[np.ndarray, " k"]
    low: Float[np.ndarray, " k"]
    high: Float[np.ndarray, " k"]
    maximum: Estimate
    at: Mapping[float, Estimate]


def roc(
    background: Float[np.ndarray, " n"],
    signal: Float[np.ndarray, " m"],
    background_weight: Weight = None,
    signal_weight: Weight = None,
) -> Roc:
    """ROC curve of the scores of two samples, with weights that are not negative.

    Raises InputError for an empty sample, scores that are not finite, or weights of another shape.

    >>> roc(np.array([0.0, 1.0]), np.array([1.0, 2.0]))
    Roc(background=array([0. , 0. , 0.5, 1. ]), signal=array([0. , 0.5, 1. , 1. ]))
    """
    thresholds = _thresholds(background, signal)
    passed = [
        _passing(scores, _weight(scores, weight), thresholds)
        for scores, weight in ((background, background_weight), (signal, signal_weight))
    ]
    return Roc(*(p / p[-1] for p in passed))


def sic(
    background: Float[np.ndarray, " n"],
    signal: Float[np.ndarray, " m"],
    background_weight: Weight = None,
    signal_weight: Weight = None,
    *,
    floor: int = FLOOR,
    at: Sequence[float] = (1e-1, 1e-2, 1e-3),
    bootstraps: int = BOOTSTRAPS,
    seed: int = 0,
) -> Sic:
    """Significance improvement of cuts on the scores of two samples.

    floor: fewest background events to pass a cut that counts; of weighted events their effective number,
    (sum w)^2 / sum w^2. at: background efficiencies to report. The ROC curve is linear between its points.
    Raises InputError as `roc` does, or when there are fewer background events than the floor.
    """
    weights = _weight(background, background_weight), _weight(signal, signal_weight)
    thresholds = _thresholds(background, signal)
    curve = roc(background, signal, *weights)
    least = _least(background, weights[0], thresholds, floor)
    grid = np.arange(1, POINTS + 1) / POINTS
    curves = list(_bootstrapped((background, signal), weights, thresholds, bootstraps, seed))
    counts = _background_at(curve, grid) >= least
    value, low, high = np.full((3, POINTS), np.nan)
    value[counts] = _at_signal(curve, grid[counts], least)
    low[counts], high[counts] = np.quantile([_at_signal(c, grid[counts], least) for c in curves], [0.16, 0.84], axis=0)
    return Sic(
        signal=grid,
        value=value,
        low=low,
        high=high,
        maximum=_estimate(_maximum(curve, least), [_maximum(c, least) for c in curves]),
        at={b: _estimate(_at_background(curve, b, least), [_at_background(c, b, least) for c in curves]) for b in at},
    )


def _thresholds(background: np.ndarray, signal: np.ndarray) -> np.ndarray:
    """All values of the score, falling."""
    scores = np.concatenate([background, signal])
    if not len(background) or not len(signal) or not np.isfinite(scores).all():
        raise InputError("a ROC curve needs finite scores of background and signal events")
    return np.unique(scores)[::-1]


def _weight(scores: np.ndarray, weight: Weight) -> np.ndarray:
    weight = np.ones(len(scores)) if weight is None else np.asarray(weight, np.float64)
    if weight.shape != scores.shape:
        raise InputError(f"a ROC curve needs one weight a score, got shapes {weight.shape} and {scores.shape}")
    return weight


def _passing(scores: np.ndarray, weight: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Sum of the weights (..., n) of scores at or above each threshold, (..., t + 1): the first cut passes nothing."""
    order = np.argsort(-scores)
    counts = np.searchsorted(-scores[order], -thresholds, side="right")
    sums = np.cumsum(weight[..., order], -1, dtype=np.float64)
    padded = np.concatenate([np.zeros((*weight.shape[:-1], 1)), sums], -1)
    return padded[..., np.r_[0, counts]]


def _least(background: np.ndarray, weight: np.ndarray, thresholds: np.ndarray, floor: int) -> float:
    """The background efficiency from which on no cut passes fewer background events than the floor."""
    sums, squares = (_passing(background, w, thresholds) for w in (weight, np.square(weight)))
    below = np.square(sums) < floor * squares
    below[0] = True
    if below[-1]:
        raise InputError(f"SIC needs {floor} background events, got {sums[-1] ** 2 / squares[-1]:.3g}")
    return float(sums[np.flatnonzero(below)[-1] + 1] / sums[-1])


def _bootstrapped(
    scores: tuple[np.ndarray, np.ndarray],
    weights: tuple[np.ndarray, np.ndarray],
    thresholds: np.ndarray,
    bootstraps: int,
    seed: int,
) -> Iterator[Roc]:
    """ROC curves of both samples drawn anew, many at a time within bounds of memory."""
    rng = np.random.default_rng(seed)
    step = max(1, _ENTRIES_AT_ONCE // len(thresholds))
    for start in range(0, bootstraps, step):
        count = min(step, bootstraps - start)
        passed = [
            _passing(x, w * multiplicities(draws(len(x), count, rng)), thresholds)
            for x, w in zip(scores, weights, strict=True)
        ]
        efficiencies = [p / p[:, -1:] for p in passed]
        yield from map(Roc, *efficiencies)


def _background_at(curve: Roc, signal: np.ndarray) -> np.ndarray:
    """The smallest eps_B that keeps eps_S: numpy takes the last of equal points, hence from the loose end."""
    return np.interp(-signal, -curve.signal[::-1], curve.background[::-1])


def _at_signal(curve: Roc, signal: np.ndarray, least: float) -> np.ndarray:
    """SIC that keeps eps_S; where a bootstrap sample passes less background than the floor, it counts as the floor."""
    return signal / np.sqrt(np.maximum(_background_at(curve, signal), least))


def _at_background(curve: Roc, background: float, least: float) -> float:
    signal = np.interp(background, curve.background, curve.signal)
    return float(signal / np.sqrt(background)) if background >= least else np.nan


def _maximum(curve: Roc, least: float) -> float:
    counts = curve.background >= least
    return float(np.max(curve.signal[counts] / np.sqrt(curve.background[counts])))


def _estimate(value: float, bootstrapped: Sequence[float]) -> Estimate:
    return Estimate(value, float(np.std(bootstrapped, ddof=1)))
