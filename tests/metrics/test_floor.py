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


def test_weights_of_one_change_no_floor():
    x, sides = np.random.default_rng(11).gamma(2, size=301), metrics.halves(301)
    edges = np.linspace(0, 8, 9)
    for floor in (metrics.emd_floor, lambda *a: metrics.separation_floor(a[0], edges, *a[1:])):
        np.testing.assert_allclose(floor(x, 300, sides, np.full(301, 2.0)), floor(x, 300, sides), rtol=1e-12)


def test_floor_of_a_weighted_sample_is_that_of_its_law():
    """An exponential made of uniform values by weights: the mean of the distance between weighted samples, and of the
    separation inside the edges, over 300 pairs, whose error is taken from their spread; the floor's own is as large."""
    rng, edges = np.random.default_rng(12), np.linspace(0.5, 3, 6)

    def pair():
        x = rng.uniform(0, 4, size=(2, 500))
        return x, np.exp(-x)

    def separation(x, w):
        return metrics.separation_power(*(metrics.histogram(a, edges, b) for a, b in zip(x, w, strict=True)))

    pairs = [pair() for _ in range(300)]
    x, w = pair()
    sides = metrics.halves(1000)
    emd = metrics.emd_floor(x.ravel(), 500, sides, w.ravel())
    cut = metrics.separation_floor(x.ravel(), edges, 500, sides, w.ravel(), fold=False)
    for floor, values in (
        (emd, [metrics.wasserstein(*x, *w) for x, w in pairs]),
        (cut, [separation(x, w) for x, w in pairs]),
    ):
        assert floor.mean == pytest.approx(np.mean(values), rel=6 * np.std(values) / np.mean(values) / np.sqrt(300))
