"""Shower observables on hand-made showers, the copy test and the conditional response."""

import numpy as np
import pytest
from scipy import stats

from hepjax import metrics
from hepjax.types import Geometry, InputError, Showers

GRID = Geometry("test-grid", (2, 3))
HAND = Showers(np.array([10.0, 20.0]), np.array([[1.0, 2, 0, 0, 4, 0.5], [0, 0, 0, 20, 0, 0]]), GRID)


def test_observables_by_hand():
    np.testing.assert_allclose(metrics.sum_over_e(HAND), [0.75, 1])
    np.testing.assert_allclose(metrics.largest_over_e(HAND), [0.4, 1])
    np.testing.assert_array_equal(metrics.cells_above(HAND), [2, 1])
    np.testing.assert_allclose(metrics.row_over_e(HAND), [[0.3, 0.45], [0, 1]])
    np.testing.assert_allclose(metrics.column_over_e(HAND), [[0.1, 0.6, 0.05], [1, 0, 0]])
    np.testing.assert_allclose(metrics.cell_spectrum(HAND)[1], [-2, -2, -2, np.log10(20), -2, -2])


def test_classifier_view_by_hand():
    np.testing.assert_allclose(metrics.classifier_view(HAND)[0], [0.1, 0.2, 0, 0, 0.4, 0.05, np.log(10)])
    np.testing.assert_allclose(metrics.classifier_view(HAND, 1.0)[0], [0.1, 0.2, 0, 0, 0.4, 0, np.log(10)])


def test_names_are_unique_and_values_one_row_a_shower():
    rows = metrics.observables(HAND)
    assert [o.name for o in rows][:4] == ["sum_over_e", "largest_over_e", "cells_above_1mev", "cell_spectrum"]
    assert [o.name for o in rows][4:] == ["row_0", "row_1", "column_0", "column_1", "column_2"]
    assert all(len(o.values(HAND)) == 2 for o in rows)
    np.testing.assert_allclose(rows[5].values(HAND), metrics.row_over_e(HAND)[:, 1])


def test_correlations_against_numpy():
    x = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    x[:, 2] = 3
    ours = metrics.correlations(x)
    keep = [0, 1, 3]
    np.testing.assert_allclose(ours[np.ix_(keep, keep)], np.corrcoef(x[:, keep].astype(float).T), atol=1e-12)
    assert not ours[2].any()


def test_three_dimensional_geometry_is_refused():
    showers = Showers(np.ones(1), np.ones((1, 8)), Geometry("cube", (2, 2, 2)))
    with pytest.raises(InputError, match="cube"):
        metrics.observables(showers)


def test_copy_test_tells_copies_from_fresh_events():
    rng = np.random.default_rng(1)
    train, unseen, fresh = rng.normal(size=(3, 400, 6)) * [1, 2, 3, 4, 5, 6]
    honest = metrics.copy_test(train, unseen, fresh)
    assert honest.ks_p_value > 0.001
    assert honest.generated_median == pytest.approx(honest.unseen_median, rel=0.15)
    copied = metrics.copy_test(train, unseen, train[:300] + 1e-3 * unseen[:300])
    assert copied.generated_median < 0.01 * copied.unseen_median
    assert copied.ks_p_value < 1e-12


def test_moments_errors_against_toys():
    """2000 toys of a skewed law: the spread is known to 1.6 percent; n = 200 leaves a bias of order 1 / n."""
    rng = np.random.default_rng(2)
    toys = np.array([metrics.moments(x) for x in rng.gamma(4.0, size=(2000, 200))])
    assert np.mean(toys[:, 1]) == pytest.approx(toys[:, 0].std(), rel=0.06)
    assert np.mean(toys[:, 3]) == pytest.approx(toys[:, 2].std(), rel=0.10)


def test_pulls_of_the_same_law_are_standard_normal():
    """60 comparisons of 5 bins: 300 pulls, KS p above 1e-3."""
    rng = np.random.default_rng(3)
    pulls = []
    for _ in range(60):
        energy = rng.uniform(10, 100, size=(2, 1000))
        response = 1 + rng.normal(size=(2, 1000)) / energy
        rows = metrics.response_in_bins(energy[0], response[0], energy[1], response[1])
        pulls += [row.mean_pull for row in rows]
    assert len(pulls) == 300
    assert stats.kstest(pulls, "norm").pvalue > 1e-3


def test_bins_hold_equal_parts_and_see_a_shift():
    energy = np.random.default_rng(4).uniform(10, 100, size=2000)
    response = 1 + np.random.default_rng(5).normal(size=2000) * 0.01
    rows = metrics.response_in_bins(energy, response, energy, np.where(energy > rows_edge(energy), 1.01, 1) * response)
    assert [row.mean_pull > 5 for row in rows] == [False, False, False, False, True]
    assert rows[0].low_mev == energy.min() and rows[-1].high_mev == energy.max()


def rows_edge(energy):
    return np.quantile(energy, 0.8)
