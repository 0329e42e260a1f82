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


def test_combined_pulls_of_one_law_are_uniform():
    """200 repeats of 20 showers a bin, where widths' pulls are too wide: 5 percent below 0.05, within 4 times 1.5."""
    rng = np.random.default_rng(4)
    found = []
    for _ in range(200):
        energies, responses = rng.uniform(size=(2, 100)), rng.gamma(2.0, size=(2, 100))
        tests = metrics.response_tests(energies[0], responses[0], energies[1], responses[1], permutations=99)
        found.append([[test.p_value, test.signed_p_value] for test in tests.values()])
    np.testing.assert_allclose(np.mean(np.array(found) <= 0.05, axis=0), 0.05, atol=4 * 0.0154)


def test_combined_pulls_see_widths_that_are_all_a_little_too_large():
    """8 percent wider in each of five bins of 400: pulls of 1.6 each are 3.6 standard errors together."""
    rng = np.random.default_rng(5)
    energy, response = rng.uniform(size=2000), rng.normal(size=(2, 2000))
    sample = energy, response[0], energy, 1.08 * response[1]
    test = metrics.response_tests(*sample)["width"]
    pulls = np.array([row.width_pull for row in metrics.response_in_bins(*sample)])
    assert test.chi2 == pytest.approx(np.sum(pulls**2)) and test.signed == pytest.approx(pulls.sum() / np.sqrt(5))
    assert test.dof == 5 and np.abs(pulls).max() < 3.1 and test.signed_p_value < 0.01
    assert metrics.response_tests(energy, response[0], energy, response[0])["width"] == (0.0, 5, 1.0, 0.0, 1.0)


def test_widths_are_told_apart_wherever_the_means_lie():
    """A wrong width is as improbable with means that differ by many widths, and a right one as probable."""
    rng = np.random.default_rng(0)
    energy = rng.uniform(1, 10, 500)
    narrow, same, wide = (rng.normal(1, width, 500) for width in (0.01, 0.01, 0.014))
    for shift in (0.0, 0.5):
        tests = [metrics.response_tests(energy, narrow, energy, y + shift)["width"].p_value for y in (same, wide)]
        assert tests[0] > 0.01 and tests[1] == 0.001


def test_bad_input_is_one_line():
    energy = np.array([1e3, 2e3, 3e3])
    with pytest.raises(InputError, match="finite estimates"):
        metrics.calibration_in_bins(energy, np.array([1e3, np.nan, 3e3]), np.array([0.0, 1e4]))
    with pytest.raises(InputError, match="bin 4000 to 5000 MeV: 0 showers, expected at least two"):
        metrics.calibration_in_bins(energy, energy, np.array([0.0, 4e3, 5e3]))
