"""Migration matrices: every event is counted once, values of events that fail are not looked at."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.types import Column, InputError, Unfolding

COLUMNS = (Column("a"), Column("mass_gev", "GeV"))


@pytest.fixture(scope="module")
def simulation():
    rng = np.random.default_rng(0)
    mass = rng.gamma(4, 5, size=5000)
    reco = mass * rng.normal(0.9, 0.15, size=5000)
    pass_gen, pass_reco = rng.uniform(size=(2, 5000)) > 0.1
    other = np.full(5000, np.nan)
    gen = np.stack([other, np.where(pass_gen, mass, np.nan)], axis=1)
    return Unfolding(
        gen,
        np.stack([np.where(pass_reco, reco, np.inf), other], axis=1),
        rng.exponential(size=5000),
        pass_gen,
        pass_reco,
        COLUMNS,
        COLUMNS[::-1],
    )


def test_every_event_is_counted_once(simulation):
    m = metrics.migration(simulation, "mass_gev", np.array([0.0, 10, 20, 30]))
    w, g, r = simulation.weight, simulation.pass_gen, simulation.pass_reco
    assert m.counts.sum() == pytest.approx(w[g & r].sum()) and m.variance.sum() == pytest.approx((w[g & r] ** 2).sum())
    assert m.missed.sum() == pytest.approx(w[g & ~r].sum()) and m.fakes.sum() == pytest.approx(w[~g & r].sum())
    gen, reco = simulation.gen[:, 1], simulation.reco[:, 0]
    both = g & r & (gen >= 20) & (reco >= 10) & (reco < 20)
    assert m.counts[2, 1] == pytest.approx(w[both].sum())
    np.testing.assert_allclose(m.gen, metrics.histogram(gen[g], m.edges, w[g], fold=True).counts)
    np.testing.assert_allclose(m.response.sum(1), 1 - m.missed / m.gen)
    assert m.label == metrics.label(COLUMNS[1])


def test_bins_are_pure(simulation):
    edges = metrics.pure_edges(simulation, "mass_gev")
    assert edges[0] == 1 and edges[-1] == np.inf and 60.0 in edges and (np.diff(edges) > 0).all()
    m = metrics.migration(simulation, "mass_gev", edges)
    inner = slice(1, -2)  # the end bins take in what lies outside
    assert (np.diag(m.counts) >= 0.4 * np.maximum(m.counts.sum(0), m.counts.sum(1)))[inner].all()
    finer = metrics.pure_edges(simulation, "mass_gev", purity=0.3)
    assert set(edges) <= set(metrics.public_edges(COLUMNS[1], np.ones(2))) | {-np.inf, np.inf} and len(finer) > len(
        edges
    )


def test_a_missing_column_is_one_line(simulation):
    with pytest.raises(InputError, match="no column width of gen, expected one of a, mass_gev"):
        metrics.migration(simulation, "width", np.arange(3.0))
