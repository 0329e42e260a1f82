"""AUC against scikit-learn; its error against the spread over toys and DeLong's definition."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from hepjax import metrics
from hepjax.types import InputError


def test_value_against_sklearn_with_ties():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=80).round(1), rng.normal(0.5, 1, size=60).round(1)
    truth = np.r_[np.zeros(80), np.ones(60)]
    assert metrics.auc(a, b).value == pytest.approx(roc_auc_score(truth, np.r_[a, b]), rel=1e-12)


def test_error_is_delongs():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=30).round(1), rng.normal(0.8, 1, size=25).round(1)
    wins = (b[:, None] > a) + 0.5 * (b[:, None] == a)
    expected = np.sqrt(wins.mean(1).var(ddof=1) / len(b) + wins.mean(0).var(ddof=1) / len(a))
    assert metrics.auc(a, b).error == pytest.approx(expected, rel=1e-12)


def test_error_covers_the_spread_of_toys():
    """400 toys: the spread is known to 1 / sqrt(800) = 3.5 percent, asked for within 4 of these."""
    rng = np.random.default_rng(2)
    toys = [metrics.auc(rng.normal(size=100), rng.normal(0.6, 1, size=150)) for _ in range(400)]
    values, errors = np.array(toys).T
    assert np.mean(errors) == pytest.approx(values.std(), rel=4 * 0.035)


def test_swap_and_monotone_maps():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=50), rng.normal(1, 1, size=50)
    assert metrics.auc(a, b).value == pytest.approx(1 - metrics.auc(b, a).value)
    assert metrics.auc(np.exp(a), np.exp(b)) == pytest.approx(metrics.auc(a, b))


@pytest.mark.parametrize(("a", "b"), [(np.ones(1), np.ones(5)), (np.array([0, np.nan]), np.ones(5))])
def test_bad_input(a, b):
    with pytest.raises(InputError):
        metrics.auc(a, b)


def test_whole_weights_are_repeated_events():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=40).round(1), rng.normal(0.5, 1, size=30).round(1)
    u, v = (rng.integers(1, 4, size=n) for n in (40, 30))
    assert metrics.auc(a, b, 1.0 * u, 1.0 * v).value == pytest.approx(
        metrics.auc(np.repeat(a, u), np.repeat(b, v)).value
    )
    assert metrics.auc(a, b, np.full(40, 3.0)) == pytest.approx(metrics.auc(a, b), rel=1e-12)


def test_a_negative_weight_takes_an_event_away():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=40), rng.normal(0.5, 1, size=30)
    cancelled = metrics.auc(np.r_[a, 7.0, 7.0], b, np.r_[np.ones(41), -1.0])
    assert cancelled.value == pytest.approx(metrics.auc(a, b).value, rel=1e-12)


def test_error_of_a_weighted_auc_covers_the_spread_of_toys():
    """400 toys: the spread is known to 3.5 percent, asked for within 4 of these."""
    rng = np.random.default_rng(6)

    def toy():
        w = np.where(rng.uniform(size=150) < 0.05, -1.0, rng.exponential(size=150))
        return metrics.auc(rng.normal(size=100), rng.normal(0.6, 1, size=150), positive_weight=w)

    values, errors = np.array([toy() for _ in range(400)]).T
    assert np.mean(errors) == pytest.approx(values.std(), rel=4 * 0.035)


@pytest.mark.parametrize("weight", [np.ones(3), np.full(5, np.nan), np.zeros(5)], ids=["shape", "nan", "zero"])
def test_bad_weights(weight):
    with pytest.raises(InputError):
        metrics.auc(np.ones(5), np.ones(4), weight)


def test_error_of_pairs_against_the_spread_of_toys():
    """Correlation 0.9 within pairs: for independent events errors are twice as large. 400 toys, 3.5 percent."""
    rng, n = np.random.default_rng(7), 150
    pairs = np.arange(n)
    toys = []
    for _ in range(400):
        a = rng.normal(size=n)
        toys.append(metrics.auc(a, 0.9 * a + np.sqrt(0.19) * rng.normal(size=n) + 0.3, groups=(pairs, pairs)))
    values, errors = np.array(toys).T
    assert np.mean(errors) == pytest.approx(values.std(), rel=4 * 0.035)


@pytest.mark.parametrize(("weighted", "paired"), [(False, False), (True, False), (False, True)])
def test_error_of_folds_covers_repeats_of_one_law(weighted, paired):
    """400 repeats, 100 events of 20 features, scored along the difference of the other folds' means.

    Pulls have a width of one within 4 times its error of 3.5 percent, and 3 percent for so few events.
    """
    rng, n, pulls = np.random.default_rng(8), 100, []
    fold = np.arange(n) % 3
    for _ in range(400):
        a, b = rng.normal(size=(2, n, 20))
        b = 0.8 * a + 0.6 * b if paired else b
        u, v = rng.uniform(0.2, 2, size=(2, n)) if weighted else np.ones((2, n))
        scores = np.empty((2, n))
        for k in range(3):
            train = fold != k
            means = [np.average(x[train], axis=0, weights=w[train]) for x, w in ((a, u), (b, v))]
            direction = means[1] - means[0]
            for s, x in zip(scores, (a, b), strict=True):
                s[~train] = (x[~train] - np.mean(means, axis=0)) @ direction / np.linalg.norm(direction)
        groups = (np.arange(n), np.arange(n) + (0 if paired else n))
        area = metrics.cross_validated(metrics.auc(scores[0], scores[1], u, v, groups=groups))
        pulls.append((area.value - 0.5) / area.error)
    assert np.std(pulls) == pytest.approx(1, abs=4 * 0.035 + 0.03)
