"""Labels and bins of known and unknown observables."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.types import Column

RANGES = {
    "mass_gev": (1.0, 60.0),
    "multiplicity": (3.5, 61.5),
    "ln_rho": (-14.0, -2.0),
    "z_g": (0.05, 0.55),
    "tau21": (0.1, 1.1),
}


@pytest.mark.parametrize("name", RANGES)
def test_public_ranges_have_29_bins_whatever_the_sample(name):
    low, high = RANGES[name]
    for sample in (np.array([low, high]), np.linspace(low - 0.2 * (high - low), high, 50)):
        np.testing.assert_allclose(metrics.public_edges(Column(name), sample), np.linspace(low, high, 30))
    assert "$" in metrics.label(Column(name))


def test_jets_of_another_kind_have_bins_of_their_own():
    mass = np.random.default_rng(1).normal(170, 10, size=1000)
    np.testing.assert_allclose(metrics.public_edges(Column("mass_gev"), mass)[0], np.quantile(mass, 0.005))


def test_bins_of_the_multiplicity_hold_two_whole_numbers():
    counts = metrics.histogram(np.arange(100.0), metrics.public_edges(Column("multiplicity"), np.arange(60.0))).counts
    np.testing.assert_array_equal(counts, 2)


def test_other_columns_take_the_reference():
    x = np.random.default_rng(0).normal(size=10000)
    edges = metrics.public_edges(Column("c2"), x)
    np.testing.assert_allclose(edges[[0, -1]], np.quantile(x, [0.005, 0.995]))
    assert len(edges) == 30 and metrics.label(Column("c2", "GeV")) == "c2 [GeV]"


def test_a_fill_value_does_not_make_the_bins():
    """A third at -999, of which the bins are those of the others; a mass at the edge of the others stays inside."""
    x = np.random.default_rng(0).normal(size=3000)
    filled = np.append(x, np.full(1500, -999.0))
    np.testing.assert_allclose(metrics.public_edges(Column("c2"), filled), metrics.public_edges(Column("c2"), x))
    groomed = np.append(np.abs(x) + 0.1, np.zeros(1500))
    assert metrics.public_edges(Column("c2"), groomed)[0] == 0
