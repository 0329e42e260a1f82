"""ROC and SIC: scikit-learn and closed forms, the floor, weights, coverage of the bootstraps, a published curve."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_curve

from hepjax import metrics
from hepjax.types import InputError

PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "jets" / "lorentznet_qg_scores.npy"


def scores(seed=0, n=400, m=150, shift=1.5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=n), rng.normal(shift, 1, size=m)


@pytest.mark.parametrize("weighted", [False, True])
def test_roc_against_sklearn_with_ties(weighted):
    a, b = (x.round(1) for x in scores())
    rng = np.random.default_rng(1)
    wa, wb = (rng.uniform(size=len(x)) if weighted else np.ones(len(x)) for x in (a, b))
    truth = np.r_[np.zeros(len(a)), np.ones(len(b))]
    fpr, tpr, _ = roc_curve(truth, np.r_[a, b], sample_weight=np.r_[wa, wb], drop_intermediate=False)
    curve = metrics.roc(a, b, wa, wb)
    np.testing.assert_allclose(curve.background, fpr, atol=1e-12)
    np.testing.assert_allclose(curve.signal, tpr, atol=1e-12)
    if not weighted:
        assert np.trapezoid(curve.signal, curve.background) == pytest.approx(metrics.auc(a, b).value, rel=1e-12)


def test_sic_by_hand():
    """Cuts pass (1, 2), (2, 3), (4, 4) of 4 background and 4 signal events: SIC 1, 1.061, 1 above a floor of 1."""
    result = metrics.sic(np.array([0.0, 0.0, 1, 2]), np.array([0.0, 1, 2, 2]), floor=1, at=(0.5, 0.1))
    assert result.maximum.value == pytest.approx(0.75 / np.sqrt(0.5))
    assert result.at[0.5].value == pytest.approx(0.75 / np.sqrt(0.5))
    assert np.isnan(result.at[0.1].value)
    assert result.value[-1] == 1.0
    assert np.isnan(result.value[result.signal == 0.25]) and result.value[result.signal == 0.5] == pytest.approx(1)


def test_sic_of_shifted_gaussians():
    """eps_S = Phi(Phi^-1(eps_B) + 1.5); 20,000 background events: within 4 bootstrap errors, floor of errors 1e-3."""
    result = metrics.sic(*scores(2, 20_000, 20_000))
    for eps, found in result.at.items():
        expected = norm.cdf(norm.ppf(eps) + 1.5) / np.sqrt(eps)
        assert abs(found.value - expected) < 4 * found.error
    grid = result.signal[:-1]
    expected = grid / np.sqrt(norm.cdf(norm.ppf(grid) - 1.5))
    valid = np.isfinite(result.value[:-1])
    inside = (result.low[:-1] <= expected) & (expected <= result.high[:-1])
    assert valid.mean() > 0.9 and (result.low <= result.high)[:-1][valid].all()
    assert 0.2 < inside[valid].mean() <= 1  # neighbouring points move together: a coarse check of 68 percent


def test_bands_cover():
    """120 toys at one efficiency: 68 percent within 4 binomial errors, 17 percent."""
    covered = []
    for seed in range(120):
        result = metrics.sic(*scores(seed, 300, 200), bootstraps=100)
        k = 99  # eps_S = 0.5, about 20 background events
        covered.append(result.low[k] <= 0.5 / np.sqrt(norm.cdf(norm.ppf(0.5) - 1.5)) <= result.high[k])
    assert np.mean(covered) == pytest.approx(0.68, abs=0.17)


def test_a_useless_score_improves_nothing():
    """SIC = sqrt(eps): at most 1, apart from fluctuations near the floor of 10 events, 4 / sqrt(10)."""
    result = metrics.sic(*scores(3, 5000, 5000, shift=0.0))
    assert result.at[0.1].value == pytest.approx(np.sqrt(0.1), abs=4 * result.at[0.1].error)
    assert result.maximum.value <= 1.05


def test_floor_hides_tight_cuts():
    background, signal = np.linspace(0, 1, 1000), np.full(50, 2.0)
    result = metrics.sic(background, signal, floor=10)
    assert result.maximum.value == pytest.approx(1 / np.sqrt(10 / 1000))
    assert np.isnan(result.at[1e-3].value) and np.isfinite(result.at[1e-2].value)


def test_weights_replace_copies_and_bring_their_effective_number():
    a, b = scores(4, 60, 40)
    copies = metrics.roc(np.repeat(a, 3), b)
    weighted = metrics.roc(a, b, np.full(60, 3.0))
    np.testing.assert_allclose(weighted.background, copies.background)
    with pytest.raises(InputError, match="SIC needs 10 background events, got 1"):
        metrics.sic(a, b, np.r_[1e9, np.ones(59)])


def test_same_seed_same_numbers():
    assert metrics.sic(*scores(), seed=5).maximum == metrics.sic(*scores(), seed=5).maximum


@pytest.mark.parametrize(
    "arguments",
    [
        (np.ones(3), np.array([])),
        (np.array([0.0, np.nan]), np.ones(3)),
        (np.ones(3), np.ones(3), np.ones(2)),
        (np.ones(9), np.ones(9)),
    ],
)
def test_bad_input_is_one_line(arguments):
    with pytest.raises(InputError) as error:
        metrics.sic(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.skipif(not PUBLISHED.exists(), reason="a file of the developers")
def test_published_scores():
    """LorentzNet on quark and gluon jets (arXiv:2201.08187): AUC 0.9156, 1 / eps_B of 42.4 and 110.2.

    These are means of six trainings that spread by 1 percent (the AUC by 1e-4); this file is one of them.
    """
    label, _, score = np.load(PUBLISHED).astype(np.float64).T
    background, signal = score[label == 0], score[label == 1]
    assert metrics.auc(background, signal).value == pytest.approx(0.9156, abs=1e-3)
    result = metrics.sic(background, signal, bootstraps=20)
    for efficiency, rejection in ((0.5, 42.4), (0.3, 110.2)):
        found = result.value[np.isclose(result.signal, efficiency)]
        assert found == pytest.approx(efficiency * np.sqrt(rejection), rel=0.03)
