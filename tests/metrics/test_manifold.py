"""Precision, recall, density and coverage: on paper, against loops, duplicates, properties."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.metrics import manifold
from hepjax.types import InputError

LINE = np.array([[0.0], [1.0], [2.0], [8.0]])


def column(*values):
    return np.array(values, float)[:, None]


def values(reference, generated, k=5):
    return [estimate.value for estimate in metrics.prdc(reference, generated, k)]


def by_loops(reference, generated, k):
    """The definitions, pair by pair."""

    def radius(sample):
        return [np.sort([np.linalg.norm(a - b) for b in sample])[k] for a in sample]

    distance = np.array([[np.linalg.norm(x - y) for y in generated] for x in reference])
    inside, around = distance < np.array(radius(reference))[:, None], distance < np.array(radius(generated))
    return [inside.any(0).mean(), around.any(1).mean(), inside.sum() / (k * len(generated)), inside.any(1).mean()]


@pytest.mark.parametrize(
    "generated, k, expected",
    [
        # Balls of the reference: (-1, 1), (0, 2), (1, 3), (2, 14).
        (column(0.5, 1.2, 9.0, 20.0), 1, [0.75, 1.0, 5 / 4, 1.0]),
        # Both in the ball around 8 alone; their own balls, (3.5, 6.5) and (5, 8), hold no row.
        (column(5.0, 6.5), 1, [1.0, 0.0, 1.0, 0.25]),
        # Two generated rows at one place, far from a third: balls of radius 0, 0 and 96.
        (column(4.0, 4.0, 100.0), 1, [2 / 3, 0.25, 2 / 3, 0.25]),
        # Second neighbours; reference: (-2, 2), (0, 2), (0, 4), (1, 15); these: (-2, 3), (-1, 7), (-5, 3).
        (column(0.5, 3.0, -1.0), 2, [1.0, 0.75, 6 / 6, 1.0]),
    ],
    ids=["overlap", "between", "pair", "second"],
)
def test_on_paper(generated, k, expected):
    assert values(LINE, generated, k) == pytest.approx(expected)


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_against_loops(rng, k, dtype):
    reference = rng.normal(size=(40, 3)).astype(dtype)
    generated = rng.normal(0.5, 0.7, size=(30, 3)).astype(dtype)
    assert values(reference, generated, k) == pytest.approx(by_loops(reference, generated, k))


def test_in_blocks(rng, monkeypatch):
    reference, generated = rng.normal(size=(40, 3)), rng.normal(size=(30, 3))
    whole = metrics.prdc(reference, generated)
    monkeypatch.setattr(manifold, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(manifold, "COLUMNS_AT_ONCE", 11)
    assert metrics.prdc(reference, generated) == whole


def test_a_sample_against_itself(rng):
    sample = rng.normal(size=(100, 4))
    assert values(sample, sample) == pytest.approx([1, 1, 1, 1])


def test_rows_and_columns_in_any_order(rng):
    reference, generated = rng.normal(size=(60, 4)), rng.normal(0.3, 1, size=(50, 4))
    expected = values(reference, generated)
    assert values(rng.permutation(reference), rng.permutation(generated)) == pytest.approx(expected)
    assert values(reference[:, ::-1], generated[:, ::-1]) == pytest.approx(expected)


def test_any_unit_and_origin(rng):
    """An origin at 100 widths costs digits in float64, far from enough to tell."""
    reference, generated = rng.normal(size=(60, 4)), rng.normal(0.3, 1, size=(50, 4))
    assert values(1e-3 * reference + 0.1, 1e-3 * generated + 0.1) == pytest.approx(values(reference, generated))


def test_precision_of_one_is_recall_of_the_other(rng):
    a, b = rng.normal(size=(60, 3)), rng.normal(0.5, 0.6, size=(40, 3))
    there, back = metrics.prdc(a, b), metrics.prdc(b, a)
    assert (there.precision, there.recall) == (back.recall, back.precision)


def test_one_law():
    """Density has mean 1, coverage 1 - 2^-k = 0.97 for large samples of equal size (arXiv:2002.09797, section 3.3).

    Within 0.1 and 0.03: density of 500 rows spreads by about 0.03, coverage by 0.008.
    """
    rng = np.random.default_rng(5)
    result = metrics.prdc(rng.normal(size=(500, 2)), rng.normal(size=(500, 2)))
    assert result.density.value == pytest.approx(1, abs=0.1)
    assert result.coverage.value == pytest.approx(1 - 2**-5, abs=0.03)


def test_samples_apart():
    rng = np.random.default_rng(6)
    near = rng.normal(size=(50, 3))
    assert values(near, near + 100) == [0, 0, 0, 0]


def test_fewer_modes_lower_recall_and_coverage():
    """The generator knows one of two modes: precise, with half of the recall and of the coverage."""
    rng = np.random.default_rng(7)
    reference = rng.normal(size=(200, 2)) + 50 * np.repeat([[0], [1]], 100, axis=0)
    precision, recall, _, coverage = values(reference, rng.normal(size=(200, 2)))
    assert precision > 0.9 and 0.4 < recall <= 0.5 and 0.4 < coverage <= 0.5


@pytest.mark.parametrize("offset", [0.0, 1e3])
def test_duplicates(rng, offset):
    """Copies are at distance zero, which a product of rows in float32 would miss by 1e-4 of their size.

    A copy of a reference row lies in its ball. A row with k copies has an empty ball: not even they lie in it.
    """
    rows = rng.normal(size=(20, 50)).astype(np.float32) + np.float32(offset)
    copies = rows[[3] * 10 + [4] * 10]
    assert values(rows, copies) == pytest.approx(by_loops(rows, copies, 5))
    assert values(rows, copies)[:2] == [1, 0]
    assert values(np.repeat(rows, 7, axis=0), rows) == [0, 1, 0, 0]


def test_near_duplicates(rng):
    """Clusters of width 1e-4 at distances of 100: the balls within a cluster are those of the cluster alone."""
    places = 100 * rng.normal(size=(10, 30))
    first, second = (np.repeat(places, 8, axis=0) + 1e-4 * rng.normal(size=(80, 30)) for _ in range(2))
    assert values(first, second) == pytest.approx(by_loops(first, second, 5))


def test_errors(rng):
    """Binomial of fractions, and for density the spread of a mean."""
    reference, generated = rng.normal(size=(60, 3)), rng.normal(0.5, 1, size=(40, 3))
    result = metrics.prdc(reference, generated)
    for (value, error), n in ((result.precision, 40), (result.recall, 60), (result.coverage, 60)):
        assert error == pytest.approx(np.sqrt(value * (1 - value) / n))
    assert 0 < result.density.error < 1


def test_log_voxels():
    voxels = np.array([[0.0, 1e-3], [10.0, 0.1]], np.float32)
    got = metrics.log_voxels(voxels)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[-1, -3], [1, -1]], rtol=1e-6)


@pytest.mark.parametrize("fault", ["width", "nan", "infinite", "few"])
def test_bad_input_is_one_line(rng, fault):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    y[0] = {"nan": np.nan, "infinite": np.inf}.get(fault, 0.0)
    y = {"width": y[:, :2], "few": y[:5]}.get(fault, y)
    with pytest.raises(InputError) as error:
        metrics.prdc(x, y)
    assert "\n" not in str(error.value)
