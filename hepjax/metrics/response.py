"""Conditional closure: mean and width of the response in bins of the incident energy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class Moments(NamedTuple):
    """Mean and standard deviation of a sample with their standard errors."""

    mean: float
    mean_error: float
    width: float
    width_error: float


class ResponseBin(NamedTuple):
    """Response of two samples in one bin of incident energy; pulls are (generated - reference) / standard error."""

    low_mev: float
    high_mev: float
    reference: Moments
    generated: Moments
    mean_pull: float
    width_pull: float


def moments(x: Float[np.ndarray, " n"]) -> Moments:
    """Mean and standard deviation with standard errors; the width's uses the fourth moment, for tails that are not
    Gaussian: var(s) = (m4 - s^4) / (4 s^2 n). NaN for fewer than two events."""
    x, n = np.asarray(x, np.float64), len(x)
    if n < 2:
        return Moments(np.nan, np.nan, np.nan, np.nan)
    mean, width = x.mean(), x.std(ddof=1)
    fourth = np.mean((x - mean) ** 4)
    spread = max(fourth - width**4, 0.0)
    width_error = np.sqrt(spread / n) / (2 * width) if width > 0 else 0.0
    return Moments(float(mean), float(width / np.sqrt(n)), float(width), float(width_error))


def response_in_bins(
    reference_energy: Float[np.ndarray, " n"],
    reference: Float[np.ndarray, " n"],
    generated_energy: Float[np.ndarray, " m"],
    generated: Float[np.ndarray, " m"],
    bins: int = 5,
) -> tuple[ResponseBin, ...]:
    """Compare mean and width of an observable in `bins` of incident energy that hold equal parts of the reference."""
    edges = np.quantile(np.asarray(reference_energy, np.float64), np.linspace(0, 1, bins + 1))
    index = [np.searchsorted(edges[1:-1], np.asarray(e), side="right") for e in (reference_energy, generated_energy)]
    samples = [np.asarray(reference), np.asarray(generated)]
    return tuple(
        _bin(edges[k], edges[k + 1], *(moments(x[i == k]) for x, i in zip(samples, index, strict=True)))
        for k in range(bins)
    )


def _bin(low: float, high: float, a: Moments, b: Moments) -> ResponseBin:
    mean_pull = _pull(b.mean - a.mean, a.mean_error, b.mean_error)
    return ResponseBin(float(low), float(high), a, b, mean_pull, _pull(b.width - a.width, a.width_error, b.width_error))


def _pull(difference: float, error: float, other_error: float) -> float:
    total = np.hypot(error, other_error)
    return float(difference / total) if total > 0 else float(np.sign(difference) * np.inf if difference else 0.0)
