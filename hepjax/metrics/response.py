"""Response in bins of the incident energy: closure of a generator, and response, resolution and coverage of a
calibration (arXiv:2404.18992)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import ndtr

from hepjax.metrics.bootstrap import Estimate, draws, multiplicities
from hepjax.types import InputError

CENTRAL_68 = (ndtr(-1), ndtr(1))
_GRID = 256
ENTRIES_AT_ONCE = 1 << 21


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


class ResponseTest(NamedTuple):
    """Whether the pulls in all bins are those of one law.

    chi2: the sum of their squares, over `dof` bins. signed: their sum over sqrt(dof), which sees pulls of one sign. The
    p-values, of both signs for `signed`, are the shares of permutations that reach as far.
    """

    chi2: float
    dof: int
    p_value: float
    signed: float
    signed_p_value: float


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
    x = np.asarray(x, np.float64)
    return Moments(*map(float, (*_mean(x), *_width(x)) if len(x) > 1 else 4 * [np.nan]))


def response_in_bins(
    reference_energy: Float[np.ndarray, " n"],
    reference: Float[np.ndarray, " n"],
    generated_energy: Float[np.ndarray, " m"],
    generated: Float[np.ndarray, " m"],
    bins: int = 5,
) -> tuple[ResponseBin, ...]:
    """Compare mean and width of an observable in `bins` of incident energy that hold equal parts of the reference."""
    edges, samples = _binned(reference_energy, reference, generated_energy, generated, bins)
    ends = itertools.pairwise(edges.tolist())
    return tuple(_bin(*between, *pair) for between, pair in zip(ends, samples, strict=True))


def response_tests(
    reference_energy: Float[np.ndarray, " n"],
    reference: Float[np.ndarray, " n"],
    generated_energy: Float[np.ndarray, " m"],
    generated: Float[np.ndarray, " m"],
    bins: int = 5,
    permutations: int = 999,
) -> dict[str, ResponseTest]:
    """Test the pulls of the `mean` and of the `width` in all bins of `response_in_bins` together.

    Events of both samples are shuffled within each bin: pulls of widths have tails, which the Gaussian law misses. Of
    two samples of 300 Geant4 showers it calls 24 percent beyond its 5 percent. Bins of fewer than two events of either
    sample are left out.
    """
    _, samples = _binned(reference_energy, reference, generated_energy, generated, bins)
    rng = np.random.default_rng(0)
    filled = [pair for pair in samples if min(map(len, pair)) > 1]
    found = np.array([_pulls(*pair)[:, None] for pair in filled])
    shuffled = np.array([_shuffled_pulls(rng, *pair, permutations) for pair in filled])
    return {
        quantity: _combined(found[:, k, 0], shuffled[:, k]) if filled else ResponseTest(np.nan, 0, *3 * [np.nan])
        for k, quantity in enumerate(("mean", "width"))
    }


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


def _binned(
    reference_energy: np.ndarray, reference: np.ndarray, generated_energy: np.ndarray, generated: np.ndarray, bins: int
) -> tuple[np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Edges of bins that hold equal parts of the reference, and the values of both samples in each."""
    edges = np.quantile(np.asarray(reference_energy, np.float64), np.linspace(0, 1, bins + 1))
    first, second = (np.searchsorted(edges[1:-1], np.asarray(e), "right") for e in (reference_energy, generated_energy))
    return edges, [(np.asarray(reference)[first == k], np.asarray(generated)[second == k]) for k in range(bins)]


Values = np.ndarray | np.floating
Statistic = Callable[[np.ndarray], tuple[Values, Values]]


def _mean(x: np.ndarray) -> tuple[Values, Values]:
    """Mean over the last axis, and its error."""
    return x.mean(-1), x.std(-1, ddof=1) / np.sqrt(x.shape[-1])


def _width(x: np.ndarray) -> tuple[Values, Values]:
    """Width over the last axis, and its error."""
    width = x.std(-1, ddof=1)
    fourth = np.mean((x - x.mean(-1)[..., None]) ** 4, axis=-1)
    return width, np.sqrt(np.maximum(fourth - width**4, 0) / x.shape[-1]) / (2 * np.where(width > 0, width, 1))


def _pull(statistic: Statistic, reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Difference of a statistic over the last axis, in its errors."""
    (a, a_error), (b, b_error) = (statistic(np.asarray(x, np.float64)) for x in (reference, generated))
    difference, error = b - a, np.hypot(a_error, b_error)
    exact = np.where(difference == 0, 0.0, np.copysign(np.inf, difference))
    return np.where(error > 0, difference / np.where(error > 0, error, 1.0), exact)


def _pulls(reference: np.ndarray, generated: np.ndarray) -> np.ndarray:
    """Pulls of mean and width over the last axis, stacked on the first."""
    return np.stack([_pull(statistic, reference, generated) for statistic in (_mean, _width)])


def _shuffled_pulls(rng: np.random.Generator, reference: np.ndarray, generated: np.ndarray, times: int) -> np.ndarray:
    """Pulls of mean and width (2, times) after as many shuffles of both samples, a few at a time for the memory.

    Widths are those of shuffled residuals about each sample's own mean: a difference of the means would widen both.
    """
    x, n = np.concatenate([reference, generated]), len(reference)
    residuals = np.concatenate([reference - reference.mean(), generated - generated.mean()])
    step, rows = max(1, ENTRIES_AT_ONCE // len(x)), np.arange(len(x))
    shuffles = (rng.permuted(np.tile(rows, (min(step, times - i), 1)), axis=1) for i in range(0, times, step))
    by = ((_mean, x), (_width, residuals))
    pulls = [np.stack([_pull(statistic, y[r[:, :n]], y[r[:, n:]]) for statistic, y in by]) for r in shuffles]
    return np.concatenate(pulls, axis=1)


def _combined(pulls: np.ndarray, shuffled: np.ndarray) -> ResponseTest:
    """Pulls (bins,) against those of permutations, (bins, permutations)."""
    root = np.sqrt(len(pulls))
    square, signed = float(np.square(pulls).sum()), float(pulls.sum() / root)
    reached = np.square(shuffled).sum(0) >= square, np.abs(shuffled.sum(0) / root) >= abs(signed)
    p_value, signed_p_value = ((1 + int(r.sum())) / (1 + r.size) for r in reached)
    return ResponseTest(square, len(pulls), p_value, signed, signed_p_value)


def _bin(low: float, high: float, reference: np.ndarray, generated: np.ndarray) -> ResponseBin:
    enough = min(len(reference), len(generated)) > 1
    pulls = _pulls(reference, generated).tolist() if enough else [np.nan, np.nan]
    return ResponseBin(low, high, moments(reference), moments(generated), *pulls)
