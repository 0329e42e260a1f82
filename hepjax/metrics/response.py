"""Response in bins of the incident energy: closure of a generator, and response, resolution and coverage of a
calibration (arXiv:2404.18992)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr

from hepjax.metrics.bootstrap import Estimate, draws, multiplicities
from hepjax.types import InputError

CENTRAL_68 = (ndtr(-1), ndtr(1))
_GRID = 256


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


class CalibrationBin(NamedTuple):
    """Response E_hat / E of a calibration in one bin of true energy, with errors from bootstraps.

    events: number. mode, median: of the response. half_width: half of its central 68.3 percent. coverage: fraction of
    the events whose interval holds the true energy, with its binomial error; None without intervals.
    """

    low_mev: float
    high_mev: float
    events: int
    mode: Estimate
    median: Estimate
    half_width: Estimate
    coverage: Estimate | None

    @property
    def resolution(self) -> Estimate:
        """Half width over the mode, for methods of different response; the mode's error is negligible here."""
        return Estimate(self.half_width.value / self.mode.value, self.half_width.error / self.mode.value)


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


def calibration_in_bins(
    energy_mev: Float[np.ndarray, " n"],
    estimate_mev: Float[np.ndarray, " n"],
    edges_mev: Float[np.ndarray, " edges"],
    sigma_mev: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]] | None = None,
) -> tuple[CalibrationBin, ...]:
    """Response, resolution and coverage of estimated energies in bins of the true one, closed on the left.

    sigma_mev: distances from the estimate down and up to the ends of its interval. Raises InputError for values that
    are not finite or not above zero, or for a bin of fewer than two events.
    """
    energy, estimate = np.asarray(energy_mev, np.float64), np.asarray(estimate_mev, np.float64)
    if not (np.isfinite(estimate).all() and (energy > 0).all()):
        raise InputError("response of a calibration needs finite estimates of energies above zero")
    index = np.searchsorted(edges_mev, energy, side="right") - 1
    covered = None
    if sigma_mev is not None:
        covered = (estimate - sigma_mev[0] <= energy) & (energy <= estimate + sigma_mev[1])
    return tuple(
        _calibration_bin(
            float(edges_mev[k]),
            float(edges_mev[k + 1]),
            (estimate / energy)[index == k],
            None if covered is None else covered[index == k],
        )
        for k in range(len(edges_mev) - 1)
    )


def mode(x: Float[np.ndarray, " n"], seed: int = 0) -> Estimate:
    """Maximum of the kernel density estimate with its bootstrap error.

    A mode is a zero of the derivative, so that the bandwidth is the best for that of a Gaussian, (4 / 5n)^(1/7) sigma
    (Chacon, Duong and Wand, Statist. Sinica 21 (2011) 807); sigma is half of the central 68.3 percent, which tails do
    not widen.
    """
    x = np.asarray(x, np.float64)
    sigma = _half_width(x)
    if sigma == 0:
        return Estimate(float(np.median(x)), 0.0)
    grid = np.median(x) + 2 * sigma * np.linspace(-1, 1, _GRID)
    kernel = np.exp(-0.5 * np.square((x[:, None] - grid) / (sigma * (1.25 * len(x)) ** (-1 / 7))))
    counts = np.concatenate([np.ones((1, len(x)), int), multiplicities(draws(len(x), seed=seed))])
    peak, *bootstrapped = _peaks(counts @ kernel, grid)
    return Estimate(float(peak), float(np.std(bootstrapped, ddof=1)))


def median(x: Float[np.ndarray, " n"], seed: int = 0) -> Estimate:
    """Median with its bootstrap error."""
    return Estimate(float(np.median(x)), float(np.median(x[draws(len(x), seed=seed)], axis=1).std(ddof=1)))


def half_width(x: Float[np.ndarray, " n"], seed: int = 0) -> Estimate:
    """Half of the central 68.3 percent with its bootstrap error."""
    return Estimate(float(_half_width(x)), float(_half_width(x[draws(len(x), seed=seed)]).std(ddof=1)))


def fraction(passed: Bool[np.ndarray, " n"]) -> Estimate:
    """Fraction of events that pass, with its binomial error."""
    p = float(np.mean(passed))
    return Estimate(p, float(np.sqrt(p * (1 - p) / len(passed))))


def _half_width(x: np.ndarray) -> np.ndarray:
    low, high = np.quantile(x, CENTRAL_68, axis=-1)
    return np.asarray(0.5 * (high - low))


def _peaks(density: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Place of the maximum over the last axis, from the parabola through the largest value and its neighbours."""
    top = np.clip(density.argmax(-1), 1, len(grid) - 2)[..., None]
    left, middle, right = (np.take_along_axis(density, top + k, -1)[..., 0] for k in (-1, 0, 1))
    shift = 0.5 * (left - right) / (left - 2 * middle + right)
    return grid[top[..., 0]] + shift * (grid[1] - grid[0])


def _calibration_bin(low: float, high: float, response: np.ndarray, covered: np.ndarray | None) -> CalibrationBin:
    if len(response) < 2:
        raise InputError(f"bin {low:g} to {high:g} MeV: {len(response)} showers, expected at least two")
    coverage = None if covered is None else fraction(covered)
    return CalibrationBin(low, high, len(response), mode(response), median(response), half_width(response), coverage)


def _bin(low: float, high: float, a: Moments, b: Moments) -> ResponseBin:
    mean_pull = _pull(b.mean - a.mean, a.mean_error, b.mean_error)
    return ResponseBin(float(low), float(high), a, b, mean_pull, _pull(b.width - a.width, a.width_error, b.width_error))


def _pull(difference: float, error: float, other_error: float) -> float:
    total = np.hypot(error, other_error)
    return float(difference / total) if total > 0 else float(np.sign(difference) * np.inf if difference else 0.0)
