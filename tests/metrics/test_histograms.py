"""Histograms against numpy, separation power by hand."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.types import InputError


def test_counts_and_errors_against_numpy():
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(100, 4)), rng.uniform(size=(100, 4))
    edges = np.linspace(-1, 2, 8)
    h = metrics.histogram(x, edges, w)
    np.testing.assert_allclose(h.counts, np.histogram(x, edges, weights=w)[0])
    np.testing.assert_allclose(h.variance, np.histogram(x, edges, weights=w**2)[0])
    assert h.total == pytest.approx(w.sum())


def test_values_on_and_outside_edges():
    x = np.array([-1.0, 0.0, 1.0, 2.0, 5.0, -np.inf, np.inf])
    edges = np.array([0.0, 1.0, 2.0])
    np.testing.assert_array_equal(metrics.histogram(x, edges).counts, [1, 2])
    np.testing.assert_array_equal(metrics.histogram(x, edges, fold=True).counts, [3, 4])
    assert metrics.histogram(x, edges).total == 7


def test_density_integrates_to_the_fraction_inside():
    x = np.random.default_rng(1).exponential(size=1000)
    h = metrics.histogram(x, metrics.log_edges(0.1, 2.0, 13))
    value, error = metrics.density(h)
    assert np.sum(value * np.diff(h.edges)) == pytest.approx(np.mean((x >= 0.1) & (x <= 2)))
    np.testing.assert_allclose(error[h.counts > 0] / value[h.counts > 0], 1 / np.sqrt(h.counts[h.counts > 0]))


def test_weights_are_repetition():
    rng = np.random.default_rng(2)
    x, k, edges = rng.normal(size=50), rng.integers(0, 4, size=50), np.linspace(-2, 2, 9)
    weighted, repeated = metrics.histogram(x, edges, k), metrics.histogram(np.repeat(x, k), edges)
    np.testing.assert_allclose(weighted.counts, repeated.counts)
    assert weighted.total == repeated.total


def test_separation_by_hand_in_both_units():
    edges = np.array([0.0, 1.0, 3.0])
    a, b = metrics.histogram(np.array([0.5, 2, 2, 2]), edges), metrics.histogram(np.array([0.5, 0.5, 2, 9]), edges)
    p, q = np.array([0.25, 0.75]), np.array([2 / 3, 1 / 3])
    expected = 0.5 * np.sum((p - q) ** 2 / (p + q))
    assert metrics.separation_power(a, b) == pytest.approx(expected)
    width, f, g = np.diff(edges), p / np.diff(edges), q / np.diff(edges)
    on_densities = 1e3 * np.sum(0.5 * width * (f - g) ** 2 / (f + g))
    assert metrics.triangular_discriminator(a, b) == pytest.approx(on_densities)


def test_separation_limits():
    edges = np.linspace(0, 1, 5)
    left, right = metrics.histogram(np.full(9, 0.1), edges), metrics.histogram(np.full(4, 0.9), edges)
    assert metrics.separation_power(left, right) == 1
    assert metrics.separation_power(left, left) == 0


def test_nothing_inside_the_edges_is_as_far_as_can_be():
    """A response too low by 70 percent, all of it below the edges, is no closer than one too low by 40 percent."""
    edges, x = np.linspace(0.5, 1.5, 11), np.linspace(0.95, 1.05, 20)
    right, low, lower = (metrics.histogram(scale * x, edges) for scale in (1.0, 0.6, 0.3))
    assert metrics.separation_power(right, low) == metrics.separation_power(right, lower) == 1
    assert metrics.separation_power(lower, right) == 1 and metrics.separation_power(lower, lower) == 0
    assert metrics.triangular_discriminator(right, lower) == 1e3
    assert [metrics.outside(h) for h in (right, low, lower)] == [0, 0, 1]


def test_outside_is_the_share_of_weight_beyond_either_edge():
    x, w = np.array([-1.0, 0.5, 0.7, 3.0]), np.array([0.1, 0.2, 0.3, 0.4])
    assert metrics.outside(metrics.histogram(x, np.array([0.0, 1.0]), w)) == pytest.approx(0.5)
    assert metrics.outside(metrics.histogram(x, np.array([0.0, 1.0]), w, fold=True)) == 0


def test_linear_edges_cover_both_samples():
    edges = metrics.linear_edges(np.array([0.0, 2.0]), np.array([-1.0, 1.0]), bins=3)
    np.testing.assert_allclose(edges, [-1, 0, 1, 2])
    assert np.all(np.diff(metrics.linear_edges(np.ones(4))) > 0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.histogram(np.ones(3), np.array([1.0, 0.0])),
        lambda: metrics.log_edges(0.0, 1.0),
        lambda: metrics.separation_power(
            metrics.histogram(np.ones(2), np.array([0.0, 2.0])), metrics.histogram(np.ones(2), np.array([0.0, 3.0]))
        ),
    ],
)
def test_bad_input(call):
    with pytest.raises(InputError):
        call()
