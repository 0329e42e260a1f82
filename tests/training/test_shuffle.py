import math

import jax
import numpy as np
import pytest
from scipy import stats

from hepjax.training.shuffle import permutation


@pytest.mark.parametrize("n", [1, 2, 3, 128, 1000, 4097])
def test_every_row_appears_once(n):
    rows = np.asarray(permutation(jax.random.key(n), n))
    assert np.array_equal(np.sort(rows), np.arange(n))


@pytest.mark.parametrize("n", [3, 4, 5])
def test_all_orders_are_equally_likely(n):
    draws = 20_000
    keys = jax.random.split(jax.random.key(7), draws)
    orders = np.asarray(jax.jit(jax.vmap(lambda key: permutation(key, n)))(keys))
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert counts.size == math.factorial(n)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_a_row_goes_anywhere_and_its_neighbour_elsewhere():
    n, draws = 64, 8_000
    keys = jax.random.split(jax.random.key(8), draws)
    orders = np.asarray(jax.jit(jax.vmap(lambda key: permutation(key, n)))(keys))
    assert stats.chisquare(np.bincount(orders[:, 5], minlength=n)).pvalue > 1e-3
    distances = np.bincount((orders[:, 6].astype(int) - orders[:, 5]) % n, minlength=n)[1:]
    assert stats.chisquare(distances).pvalue > 1e-3
