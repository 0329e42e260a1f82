"""Random rows in place of the first ones."""

import numpy as np

from hepjax import metrics


def test_a_subset_of_sorted_rows_looks_like_all_of_them():
    """The mean of 1,000 of 10,000 ordered numbers lies within three of its standard errors of that of all."""
    rows = metrics.subset(10_000, 1000)
    assert len(np.unique(rows)) == 1000 and (np.diff(rows) > 0).all()
    error = 10_000 / np.sqrt(12 * 1000) * np.sqrt(0.9)
    assert abs(rows.mean() - 4999.5) < 3 * error
    np.testing.assert_array_equal(rows, metrics.subset(10_000, 1000))
    assert not np.array_equal(rows, metrics.subset(10_000, 1000, seed=1))


def test_all_rows_where_there_are_no_more():
    np.testing.assert_array_equal(metrics.subset(5, 5), np.arange(5))
