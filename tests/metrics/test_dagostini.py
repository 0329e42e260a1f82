"""D'Agostini unfolding: against a plain loop, Adye's error propagation, toys; efficiency, fakes; the bottom line."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.types import Column, InputError, Unfolding

EDGES = np.array([-np.inf, -1.0, -0.3, 0.3, 1.0, np.inf])


def simulation(seed, n=20000, mean=0.0, width=1.0, weight=None):
    """A Gaussian smeared by 0.5; a tenth of the events is not measured, another is out of the phase space."""
    rng = np.random.default_rng(seed)
    gen = rng.normal(mean, width, size=n)
    u, v = rng.uniform(size=(2, n))
    columns = (Column("x"),)
    reco = np.where(u < 0.1, np.nan, gen + rng.normal(0, 0.5, size=n))
    weight = np.ones(n) if weight is None else weight
    return Unfolding(gen[:, None], reco[:, None], weight, v > 0.1, u > 0.1, columns, columns)


def measured(events):
    passed = events.pass_reco
    return metrics.histogram(events.reco[passed, 0], EDGES, events.weight[passed], fold=True)


def true_counts(events):
    passed = events.pass_gen
    return metrics.histogram(events.gen[passed, 0], EDGES, events.weight[passed], fold=True).counts


def plain(data, counts, missed, fakes, iterations):
    """The iteration as it is written, and dn/dm by the recursion of arXiv:1105.1160."""
    causes = np.vstack([counts, fakes])
    n = np.append(counts.sum(1) + missed, fakes.sum())
    p = causes / n[:, None]
    efficiency = p.sum(1)
    slope = np.zeros(p.shape)
    for _ in range(iterations):
        m = p * n[:, None] / (efficiency[:, None] * (n @ p))
        new = m @ data
        slope = m + (new / n)[:, None] * slope - np.einsum("k,l,ik,lk,lj->ij", data, efficiency / n, m, m, slope)
        n = new
    return n[:-1], slope[:-1]


@pytest.fixture(scope="module")
def response():
    return metrics.migration(simulation(0), "x", EDGES)


@pytest.fixture(scope="module")
def data():
    return measured(simulation(1, 5000, mean=0.3, width=0.9))


@pytest.mark.parametrize("iterations", [1, 4, 20])
def test_counts_and_errors_are_the_published_ones(response, data, iterations):
    result = metrics.dagostini(response, data, iterations)
    expected, slope = plain(data.counts, response.counts, response.missed, response.fakes, iterations)
    np.testing.assert_allclose(result.counts, expected, rtol=1e-10)
    np.testing.assert_allclose(result.data_covariance, (slope * data.variance) @ slope.T, rtol=1e-8, atol=1e-8)


def test_simulation_covariance_against_finite_differences(response, data):
    simulated = [response.counts, response.missed, response.fakes]
    variances = [response.variance, response.missed_variance, response.fakes_variance]
    expected = np.zeros((5, 5))
    for k, (array, variance) in enumerate(zip(simulated, variances, strict=True)):
        for place in np.ndindex(array.shape):
            ends = []
            for step in (0.5, -0.5):
                moved = [a.copy() for a in simulated]
                moved[k][place] += 1e-2 * step
                ends.append(plain(data.counts, *moved, iterations=4)[0])
            slope = (ends[0] - ends[1]) / 1e-2
            expected += variance[place] * np.outer(slope, slope)
    np.testing.assert_allclose(metrics.dagostini(response, data, 4).simulation_covariance, expected, rtol=1e-4)


def test_errors_cover_the_spread_of_toys(response):
    """400 Poisson data sets: each error is known to 1 / sqrt(800) = 3.5 percent, asked for within 4 of these."""
    expected = measured(simulation(2, 5000, mean=0.3, width=0.9))
    rng = np.random.default_rng(3)
    toys = [expected._replace(counts=c.astype(float)) for c in rng.poisson(expected.counts, size=(400, 5))]
    spread = np.cov([metrics.dagostini(response, toy).counts for toy in toys], rowvar=False)
    stated = metrics.dagostini(response, expected).data_covariance
    np.testing.assert_allclose(np.sqrt(np.diag(stated)), np.sqrt(np.diag(spread)), rtol=4 * 0.035)
    scale = np.sqrt(np.outer(np.diag(stated), np.diag(stated)))
    np.testing.assert_allclose(stated / scale, spread / scale, atol=0.2)


def test_the_simulation_unfolds_to_itself(response):
    """The simulation's own reco is a fixed point, whatever the number of iterations."""
    events = simulation(0)
    for iterations in (1, 10):
        np.testing.assert_allclose(
            metrics.dagostini(response, measured(events), iterations).counts, true_counts(events)
        )


def test_another_truth_is_found(response):
    """Within the errors: chi-square of 5 bins below 20 (one in 800), many iterations so that no prior is left."""
    events = simulation(5, 20000, mean=0.2, width=0.9)
    result = metrics.dagostini(response, measured(events), 50)
    assert metrics.chi2(result.counts - true_counts(events), result.covariance).value < 20
    assert metrics.chi2(true_counts(simulation(0)) - true_counts(events), result.covariance).value > 100


def test_weights_scale(response, data):
    """Twice the weight of the simulation changes nothing, twice that of the data doubles the result."""
    heavy = metrics.migration(simulation(0, weight=np.full(20000, 2.0)), "x", EDGES)
    first, same = metrics.dagostini(response, data), metrics.dagostini(heavy, data)
    np.testing.assert_allclose(same.counts, first.counts)
    np.testing.assert_allclose(same.covariance, first.covariance)
    double = data._replace(counts=2 * data.counts, variance=4 * data.variance)
    np.testing.assert_allclose(metrics.dagostini(response, double).data_covariance, 4 * first.data_covariance)


def test_bottom_line(response, data):
    """Without fakes, the iteration converges to the inverse of the response, which keeps the chi-square of two models.

    The prior of few iterations takes error away, and the test tells.
    """
    response = response._replace(fakes=np.zeros(5), fakes_variance=np.zeros(5))
    models = true_counts(simulation(6, mean=0.2)) / 4, true_counts(simulation(7)) / 4
    free = metrics.bottom_line(response, data, metrics.dagostini(response, data, 3000), *models)
    assert free.unfolded.value == pytest.approx(free.reco.value, rel=1e-3)
    assert free.reco.dof == free.unfolded.dof == 5
    early = metrics.bottom_line(response, data, metrics.dagostini(response, data, 1), *models)
    assert early.reco == free.reco and early.unfolded.value > 2 * early.reco.value and not early.passed


def test_chi2_leaves_null_directions_out():
    covariance = np.array([[1.0, 1.0], [1.0, 1.0]])
    assert metrics.chi2(np.array([1.0, 1.0]), covariance) == pytest.approx((1.0, 1))


def test_bad_input(response, data):
    never = response._replace(counts=np.diag([0.0, 1, 1, 1, 1]), fakes=np.zeros(5))
    unseen = response._replace(counts=np.eye(5)[[1, 1, 2, 3, 4]], fakes=np.zeros(5))
    other = data._replace(edges=np.arange(6.0))
    for arguments, message in [
        ((never, data), "never measured"),
        ((unseen, data), "no simulation"),
        ((response, other), "bins"),
        ((response, data, 0), "iterations"),
    ]:
        with pytest.raises(InputError, match=message) as error:
            metrics.dagostini(*arguments)
        assert "\n" not in str(error.value)
