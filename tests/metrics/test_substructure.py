"""Labels and bins of known and unknown observables."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.types import Column


@pytest.mark.parametrize("name", ["mass_gev", "multiplicity", "width", "ln_rho", "z_g", "tau21"])
def test_public_ranges_have_29_bins_whatever_the_sample(name):
    edges = metrics.public_edges(Column(name), np.array([1e3, 2e3]))
    assert len(edges) == 30 and edges[-1] < 62 and "$" in metrics.label(Column(name))


def test_bins_of_the_multiplicity_hold_two_whole_numbers():
    counts = metrics.histogram(np.arange(100.0), metrics.public_edges(Column("multiplicity"), np.zeros(2))).counts
    np.testing.assert_array_equal(counts, 2)


def test_other_columns_take_the_reference():
    x = np.random.default_rng(0).normal(size=10000)
    edges = metrics.public_edges(Column("c2"), x)
    np.testing.assert_allclose(edges[[0, -1]], np.quantile(x, [0.005, 0.995]))
    assert len(edges) == 30 and metrics.label(Column("c2", "GeV")) == "c2 [GeV]"
