"""Nulls of distances between truth and unfolded events: rates of one percent for perfect unfoldings."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.metrics.floor import emd_floor, halves
from hepjax.metrics.nulls import Weighted, kind

N, REPEATS = 210, 100
EDGES = np.linspace(-3, 3, 13)


def unfolded(rng, resolution, shift=0.0):
    """Truth N(shift, 1), and a draw of its posterior: of the prior N(0, 1), with the weight of the right one."""
    share = 1 / (1 + resolution**2)
    truth = rng.normal(shift, 1, N)
    reco = truth + resolution * rng.normal(size=N)
    variance = share * resolution**2
    draw = share * reco + np.sqrt(variance) * rng.normal(size=N)
    weight = np.exp(shift * draw - shift * share * reco - 0.5 * shift**2 * variance)
    return truth, np.ones(N), draw, weight, np.arange(N)


def reweighted(rng):
    """Truth N(0, 1), and other events of N(0.5, 1) with the weight that makes them N(0, 1)."""
    x = rng.normal(0.5, 1, 2 * N)
    return rng.normal(size=N), np.ones(N), x, np.exp(0.125 - 0.5 * x), np.full(2 * N, -1)


def partly(rng):
    """A third of the truth has no unfolded event, and a third of the unfolded ones no truth."""
    truth, weight, draw, *_ = unfolded(rng, 0.5)
    lost = np.arange(N) % 3 == 0
    return truth, weight, np.where(lost, rng.normal(size=N), draw), weight, np.where(lost, -1, np.arange(N))


def against_null(x, u, y, v, rows):
    """EMD and separation power in units of their null's mean, and whether they are beyond the 99 percent."""
    (null,) = metrics.nulls(Weighted(x[:, None], u), Weighted(y[:, None], v), rows, [EDGES], 100)
    histograms = (metrics.histogram(values, EDGES, weight) for values, weight in ((x, u), (y, v)))
    found = np.array([metrics.wasserstein(x, y, u, v), metrics.separation_power(*histograms)])
    return found / [floor.mean for floor in null], found > [floor.top for floor in null]


LAWS = {f"resolution {r}": (lambda rng, r=r: unfolded(rng, r), "paired") for r in (0.1, 0.3, 1.0)} | {
    "corrected prior": (lambda rng: unfolded(rng, 1.0, 0.7), "paired"),
    "reweighted": (reweighted, "independent"),
    "partly": (partly, "partly"),
}


@pytest.mark.parametrize("law", LAWS)
def test_the_null_is_that_of_a_perfect_unfolding(law):
    """Mean ratios of one to 5 standard errors; 100 repeats have 1 beyond 99 percent, and 6 or more in 1 of 2,000."""
    make, expected = LAWS[law]
    assert kind(N, make(np.random.default_rng(0))[-1]) == expected
    found = [against_null(*make(np.random.default_rng(seed))) for seed in range(REPEATS)]
    ratios, beyond = (np.array(part) for part in zip(*found, strict=True))
    assert (np.abs(ratios.mean(0) - 1) < 5 * ratios.std(0) / np.sqrt(REPEATS)).all()
    assert (beyond.sum(0) < 6).all()


def test_independent_samples_are_no_null_of_a_posterior():
    """A perfect posterior at a resolution of 0.3 lies at half the floor of independent samples, and never beyond."""
    sides = halves(N)
    for seed in range(5):
        x, u, y, v, rows = unfolded(np.random.default_rng(seed), 0.3)
        (null,) = metrics.nulls(Weighted(x[:, None], u), Weighted(y[:, None], v), rows, [EDGES], 100)
        assert null.emd.top < 0.8 * emd_floor(x, N, sides).top


def test_a_bias_is_seen_earlier_than_by_independent_samples():
    """A shift of 0.1: 1 standard error of the difference of two independent samples, 3.6 of that of pairs."""
    x, u, y, v, rows = unfolded(np.random.default_rng(1), 0.3)
    _, beyond = against_null(x, u, y + 0.1, v, rows)
    assert beyond[0] and not against_null(x, u, y + 0.1, v, np.full(N, -1))[1][0]


def test_the_order_of_rows_does_not_matter():
    x, u, y, v, rows = unfolded(np.random.default_rng(2), 0.3, 0.5)
    order = np.random.default_rng(3).permutation(N)
    found, expected = against_null(x, u, y[order], v[order], rows[order]), against_null(x, u, y, v, rows)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-9)
