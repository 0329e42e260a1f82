"""The floor against a plain loop over permutations (the definition) and against the law it must follow."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from hepjax import metrics


def looped(x, size, distance, power):
    h = len(x) // 2
    orders = (np.random.default_rng(seed).permutation(len(x)) for seed in range(200))
    values = np.array([distance(x[p[:h]], x[p[h : 2 * h]]) for p in orders])
    return values.mean() * (h / size) ** power, np.quantile(values, 0.99) * (h / size) ** power


@pytest.mark.parametrize("n", [40, 41])
def test_emd_floor_is_the_definition(n):
    x = np.random.default_rng(0).normal(size=n).round(1)
    np.testing.assert_allclose(
        metrics.emd_floor(x, 30, metrics.halves(n)), looped(x, 30, wasserstein_distance, 0.5), rtol=1e-12
    )


def test_entries_of_an_event_stay_together():
    x = np.random.default_rng(1).normal(size=(31, 4)).round(1)

    def distance(a, b):
        return wasserstein_distance(a.ravel(), b.ravel())

    np.testing.assert_allclose(metrics.emd_floor(x, 31, metrics.halves(31)), looped(x, 31, distance, 0.5), rtol=1e-12)


@pytest.mark.parametrize("shape", [(51,), (51, 3)])
def test_separation_floor_is_the_definition(shape):
    x, edges = np.random.default_rng(2).normal(size=shape), np.linspace(-1, 1, 7)

    def distance(a, b):
        return metrics.separation_power(*(metrics.histogram(v, edges, fold=True) for v in (a, b)))

    floor = metrics.separation_floor(x, edges, 20, metrics.halves(51))
    np.testing.assert_allclose(floor, looped(x, 20, distance, 1.0), rtol=1e-12)


def test_statistic_floor_is_the_definition():
    x = np.random.default_rng(3).normal(size=30)
    floor = metrics.statistic_floor(lambda i, j: abs(x[i].mean() - x[j].mean()), 30, metrics.halves(30))
    np.testing.assert_allclose(floor, looped(x, 30, lambda a, b: abs(a.mean() - b.mean()), 0.5), rtol=1e-12)


def test_floor_predicts_fresh_samples_of_the_same_law():
    """100 fresh pairs: their mean EMD within 3 standard errors (the spread is about half the mean) of the floor's."""
    rng = np.random.default_rng(4)
    floor = metrics.emd_floor(rng.normal(size=2000), 500, metrics.halves(2000))
    fresh = [metrics.wasserstein(*rng.normal(size=(2, 500))) for _ in range(100)]
    assert abs(np.mean(fresh) / floor.mean - 1) < 3 * 0.5 / np.sqrt(100)
    assert np.mean(np.array(fresh) > floor.top) <= 0.05


def test_order_of_events_is_irrelevant_up_to_the_draw():
    x = np.random.default_rng(5).exponential(size=400)
    sides = metrics.halves(400)
    assert metrics.emd_floor(x, 400, sides).mean == pytest.approx(metrics.emd_floor(x[::-1], 400, sides).mean, rel=0.15)
