"""Response of a calibration: closed forms, errors against toys, bins, coverage."""

import itertools

import numpy as np
import pytest

from hepjax import metrics
from hepjax.types import InputError


@pytest.mark.parametrize("statistic, truth", [("mode", 3.0), ("median", 3.67206), ("half_width", 1.91626)])
def test_statistics_of_a_gamma_law_and_their_errors(statistic, truth):
    """200 toys of 400 events of Gamma(4): their mean within 5 standard errors, the error within 4 of 5 percent.

    The kernel's bandwidth pulls the mode of a skewed law by h^2 f''' / (2 |f''|), here 0.2.
    """
    rng = np.random.default_rng(0)
    toys = np.array([getattr(metrics, statistic)(rng.gamma(4.0, size=400)) for _ in range(200)])
    spread = toys[:, 0].std(ddof=1)
    pull = 0.25 if statistic == "mode" else 0.01
    assert toys[:, 0].mean() == pytest.approx(truth, abs=pull + 5 * spread / np.sqrt(200))
    assert np.mean(toys[:, 1]) == pytest.approx(spread, rel=0.2)


def test_mode_of_narrow_response_is_unbiased():
    """Gaussian of 2 percent with tails of 10 percent to one side: within 4 errors, which are below 0.2 percent."""
    rng = np.random.default_rng(1)
    x = np.where(rng.uniform(size=1500) < 0.9, rng.normal(1, 0.02, 1500), 1 - np.abs(rng.normal(0, 0.1, 1500)))
    found = metrics.mode(x)
    assert found.error < 2e-3 and abs(found.value - 1) < 4 * found.error


def test_mode_does_not_depend_on_scale_or_shift():
    x = np.random.default_rng(2).normal(size=300)
    a, b = metrics.mode(x), metrics.mode(1 + 0.01 * x)
    assert b.value == pytest.approx(1 + 0.01 * a.value, rel=1e-9) and b.error == pytest.approx(0.01 * a.error, rel=1e-6)
    assert metrics.mode(np.full(10, 2.0)) == (2.0, 0.0)


def test_bins_of_a_gaussian_calibration():
    """Response 1.02 +- 5 percent with honest intervals: everything within 4 of its errors, 1000 events a bin."""
    rng = np.random.default_rng(3)
    energy = rng.uniform(1e3, 5e4, 4000)
    estimate = energy * rng.normal(1.02, 0.05, 4000)
    sigma = 0.05 * energy
    edges = np.array([1e3, 1e4, 3e4, 5e4])
    bins = metrics.calibration_in_bins(energy, estimate, edges, (sigma + 0.02 * energy, sigma - 0.02 * energy))
    assert [b.events for b in bins] == [int(((energy >= a) & (energy < b)).sum()) for a, b in itertools.pairwise(edges)]
    for b in bins:
        for found, truth in ((b.mode, 1.02), (b.median, 1.02), (b.half_width, 0.05), (b.coverage, 0.6827)):
            assert abs(found.value - truth) < 4 * found.error
        assert b.resolution.value == pytest.approx(0.05 / 1.02, abs=4 * b.resolution.error)
        assert b.coverage.error == pytest.approx(np.sqrt(0.683 * 0.317 / b.events), rel=0.1)
    assert metrics.calibration_in_bins(energy, estimate, edges)[0].coverage is None


def test_bad_input_is_one_line():
    energy = np.array([1e3, 2e3, 3e3])
    with pytest.raises(InputError, match="finite estimates"):
        metrics.calibration_in_bins(energy, np.array([1e3, np.nan, 3e3]), np.array([0.0, 1e4]))
    with pytest.raises(InputError, match="bin 4000 to 5000 MeV: 0 showers, expected at least two"):
        metrics.calibration_in_bins(energy, energy, np.array([0.0, 4e3, 5e3]))
