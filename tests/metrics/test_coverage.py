"""Calibration of posteriors: uniform for the true posterior, ties and point masses too; biases and widths are seen."""

import numpy as np
import pytest

from hepjax import metrics
from hepjax.types import Column, InputError

COLUMNS = (Column("x"), Column("multiplicity"), Column("z_g"))


def posterior(seed, k=50, n=4000, shift=0.0, width=1.0):
    """Truth and draws of one law, given the event: continuous, integer, and with a point mass at zero."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(size=n)

    def draw(size, shift=0.0, width=1.0):
        x = centre + shift + width * rng.normal(size=(size, n))
        whole = np.floor(2 * (centre + shift + width * rng.normal(size=(size, n))))
        massive = np.maximum(centre + shift + width * rng.normal(size=(size, n)), 0)
        return np.stack([x, whole, massive], axis=-1)

    return draw(k, shift, width), draw(1)[0]


def test_the_true_posterior_is_flat():
    """Below the 99.9 percent quantile of the Kolmogorov-Smirnov distance, 1.95 / sqrt(n); 20 bins within 4.5 sigma."""
    for c in metrics.coverage(*posterior(0), COLUMNS):
        assert c.deviation < 1.95 / np.sqrt(4000)
        assert c.counts.sum() == 4000 and (np.abs(c.counts - 200) < 4.5 * np.sqrt(200)).all()
        assert c.difference[0] == pytest.approx(0) and c.difference[-1] == pytest.approx(0)
        assert np.abs(c.difference).max() <= c.deviation + 1e-12


def test_the_floor_is_that_of_repetitions():
    """200 repetitions of 300 events: their mean to 4 standard errors, at most 7 (expected 2) beyond 99 percent."""
    rows = [c for seed in range(67) for c in metrics.coverage(*posterior(seed, n=300), COLUMNS)][:200]
    deviations, floor = np.array([c.deviation for c in rows]), rows[0].floor
    # The mean is asymptotic in n, and 0.3 / sqrt(n) = 2 percent off for 300 events.
    assert floor.mean == pytest.approx(deviations.mean(), abs=4 * deviations.std() / np.sqrt(200) + 0.02 * floor.mean)
    assert (deviations > floor.top).sum() <= 7


@pytest.mark.parametrize("wrong", [{"shift": 0.2}, {"width": 0.7}, {"width": 1.4}], ids=["biased", "narrow", "wide"])
def test_a_wrong_posterior_is_not(wrong):
    for c in metrics.coverage(*posterior(1, **wrong), COLUMNS):
        assert c.deviation > c.floor.top


@pytest.mark.parametrize("right", [True, False])
def test_weights_turn_draws_into_those_of_another_law(right):
    """Draws of N(c, 1) with weights exp(0.8 x) are of N(c + 0.8, 1), integers of the same x too; 5 draws are enough.

    Without the weights the truth lies 0.8 widths away.
    """
    rng = np.random.default_rng(3)
    centre = rng.normal(size=4000)
    x = centre + rng.normal(size=(5, 4000))
    truth = centre + 0.8 + rng.normal(size=4000)
    tables = (np.stack([values, np.floor(2 * values)], axis=-1) for values in (x, truth))
    weights = {"weight": np.exp(0.8 * x), "truth_weight": np.exp(0.8 * truth)} if right else {}
    for c in metrics.coverage(*tables, COLUMNS[:2], **weights):
        assert (c.deviation < 1.95 / np.sqrt(4000)) == right


def test_a_narrow_posterior_has_the_truth_in_its_tails():
    c = metrics.coverage(*posterior(2, width=0.6), COLUMNS)[0]
    assert min(c.counts[0], c.counts[-1]) > 1.5 * c.counts[10] and c.difference[50] > 0 > c.difference[150]


@pytest.mark.parametrize(
    ("draws", "truth"),
    [
        (np.zeros((5, 4, 3)), np.zeros((4, 2))),
        (np.zeros((5, 3)), np.zeros((4, 3))),
        (np.full((5, 4, 3), np.nan), np.zeros((4, 3))),
    ],
    ids=["columns", "axes", "nan"],
)
def test_bad_input(draws, truth):
    with pytest.raises(InputError) as error:
        metrics.coverage(draws, truth, COLUMNS)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("weight", [np.ones((5, 3)), np.zeros((5, 4)), np.full((5, 4), np.nan)])
def test_bad_weights(weight):
    with pytest.raises(InputError, match="weights"):
        metrics.coverage(np.zeros((5, 4, 1)), np.zeros((4, 1)), COLUMNS[:1], weight=weight, truth_weight=np.ones(4))
