"""Metrics against numbers that public packages gave on the same input, or give while the test runs.

What the packages are, and how near we come, is the table of CONTRIBUTING.md.
"""

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import roc_curve
from sklearn.metrics.pairwise import polynomial_kernel

from hepjax import metrics
from hepjax.data import geometry
from hepjax.evaluation import calochallenge_classifiers
from hepjax.metrics import calorimeter
from hepjax.types import Column, Showers, Unfolding

COUNTS = np.array([[240.0, 60, 10, 0], [50, 210, 70, 10], [0, 60, 180, 50], [0, 10, 40, 90]])
MISSED, FAKES = np.array([40.0, 20, 30, 10]), np.array([20.0, 10, 10, 20])
DATA = np.array([271.0, 402, 318, 203])
# PyUnfold 0.5.0, `iterative_unfold` with the fakes as a fifth cause: iterations -> its counts, and the errors from its
# own counts, differentiated numerically in every number of data (DATA as variance) and simulation (its counts). The
# errors that PyUnfold quotes itself are these after one iteration, and up to 3 percent off after more: its product of
# three matrices in the propagation of arXiv:1105.1160 is in another order.
PYUNFOLD = {
    1: (
        [326.2663891779396, 390.3430293559549, 345.6720875669512, 171.41631491306197],
        [14.9175706180, 13.7519423694, 12.8960841082, 8.4716632822],
        [12.551734, 15.395764, 15.261153, 11.093520],
    ),
    4: (
        [291.2902465594921, 421.5494455077504, 333.8559719109405, 184.478099401976],
        [21.8824152571, 25.3864240977, 21.3982003363, 16.6930833204],
        [15.966558, 21.679445, 20.484519, 15.248041],
    ),
    10: (
        [276.2258445759944, 453.9634081975514, 302.7611924551838, 195.0831055408766],
        [24.6687207950, 35.6448185611, 31.6691332326, 22.0874449331],
        [18.995365, 30.774484, 30.337439, 20.050682],
    ),
}


def clouds():
    """Rows (120, 3) and (90, 3) of two laws, and a weight for each."""
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(120, 3)), 0.3 + 0.8 * rng.normal(size=(90, 3))
    return a, b, rng.uniform(size=120), rng.uniform(size=90)


@pytest.mark.parametrize("iterations", PYUNFOLD)
def test_dagostini_is_that_of_pyunfold(iterations):
    edges = np.arange(5.0)
    response = metrics.Migration(Column("x"), edges, COUNTS, COUNTS, MISSED, MISSED, FAKES, FAKES)
    unfolded = metrics.dagostini(response, metrics.Histogram(edges, DATA, DATA, DATA.sum()), iterations)
    counts, of_data, of_simulation = PYUNFOLD[iterations]
    np.testing.assert_allclose(unfolded.counts, counts, rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(np.diag(unfolded.data_covariance)), of_data, rtol=1e-7)
    np.testing.assert_allclose(np.sqrt(np.diag(unfolded.simulation_covariance)), of_simulation, rtol=1e-6)


def test_a_migration_matrix_is_numpys_histogram():
    rng = np.random.default_rng(3)
    gen, weight = rng.normal(size=500), rng.uniform(size=500)
    reco, edges = gen + 0.5 * rng.normal(size=500), np.array([-9.0, -1.0, 0.2, 1.5, 9.0])
    passed, columns = np.ones(500, bool), (Column("x"),)
    events = Unfolding(gen[:, None], reco[:, None], weight, passed, passed, columns, columns)
    expected = np.histogram2d(gen, reco, edges, weights=weight)[0]
    np.testing.assert_allclose(metrics.migration(events, "x", edges).counts, expected, rtol=1e-12)


def test_chi2_is_that_of_the_pseudo_inverse():
    rng = np.random.default_rng(4)
    root, d = rng.normal(size=(6, 4)), rng.normal(size=6)
    v = root @ root.T
    found = metrics.chi2(d, v)
    assert found.value == pytest.approx(d @ np.linalg.pinv(v, rcond=1e-10, hermitian=True) @ d, rel=1e-9)
    assert found.dof == np.linalg.matrix_rank(v) == 4


# prdc 0.2, `compute_prdc(a, b, k)`: precision, recall, density, coverage.
@pytest.mark.parametrize(
    ("k", "expected"),
    [
        (1, [0.8333333333333334, 0.5333333333333333, 1.1777777777777778, 0.4]),
        (5, [1.0, 0.8666666666666667, 1.051111111111111, 0.7416666666666667]),
    ],
)
def test_prdc_is_that_of_its_authors(k, expected):
    a, b, _, _ = clouds()
    assert [estimate.value for estimate in metrics.prdc(a, b, k)] == pytest.approx(expected, rel=1e-12)


def test_distances_of_other_packages():
    """POT 0.9.7, `wasserstein_1d` with weights; dcor 0.7, the root of `energy_distance` of rows in three dimensions."""
    a, b, u, v = clouds()
    expected = [0.42791222651492344, 0.3858101037400531, 0.36775956759465667]
    np.testing.assert_allclose(metrics.wasserstein(a, b, u, v), expected, rtol=1e-12)
    assert metrics.energy_distance_nd(a, b) == pytest.approx(0.5013505942167963, rel=1e-12)


def test_the_triangular_discriminator_of_sbunfold():
    """Its published script sums over densities: `get_triangle_distance` of `utils.py` gave the number."""
    a, b, _, _ = clouds()
    edges = np.linspace(-2, 2, 9)
    found = metrics.triangular_discriminator(*(metrics.histogram(x[:, 0], edges) for x in (a, b)))
    assert found == pytest.approx(111.9726002380629, rel=1e-12)


def test_kernel_distance_is_the_mean_of_scikit_learns_kernel():
    a, b, _, _ = clouds()

    def mean(x, y):
        k = polynomial_kernel(x, y, degree=4, gamma=1 / 3, coef0=1)
        return (k.sum() - np.trace(k)) / (len(x) * (len(x) - 1)) if x is y else k.mean()

    assert metrics.mmd(a, b) == pytest.approx(mean(a, a) + mean(b, b) - 2 * mean(a, b), rel=1e-9)


def test_sic_is_that_of_scikit_learns_curve():
    """At the thresholds with ten background events and more, of weighted events; the maximum over all of them."""
    rng = np.random.default_rng(6)
    background, signal = rng.normal(size=300), rng.normal(1.5, 1, size=200)
    truth = np.r_[np.zeros(300), np.ones(200)]
    fpr, tpr, _ = roc_curve(truth, np.r_[background, signal], drop_intermediate=False)
    counts = fpr >= 10 / 300 - 1e-12
    found = metrics.sic(background, signal, floor=10, at=(0.1,), bootstraps=2)
    assert found.maximum.value == pytest.approx(np.max(tpr[counts] / np.sqrt(fpr[counts])), rel=1e-12)
    assert found.at[0.1].value == pytest.approx(tpr[fpr <= 0.1 + 1e-12].max() / np.sqrt(0.1), rel=1e-12)


def test_the_error_of_an_auc_is_that_of_a_delong_package():
    """confidenceinterval 1.0.5, `delong_roc_variance`, whose ranks are float32; with ties."""
    negative = np.array([0.1, 0.4, 0.35, 0.8, 0.2, 0.5, 0.55, 0.3])
    positive = np.array([0.7, 0.4, 0.9, 0.6, 0.95, 0.2])
    assert metrics.auc(negative, positive) == pytest.approx((0.75, 0.14877976071647328), rel=1e-7)


def test_the_divergence_of_a_perfect_classifier_is_scipys():
    """p(x) / (p(x) + q(x)) as probability, each x as often as its law says: exact, in bits."""
    p, q = np.array([40, 25, 20, 10, 5]), np.array([10, 15, 20, 25, 30])
    x = np.r_[np.repeat(np.arange(5), p), np.repeat(np.arange(5), q)]
    label = np.repeat([0, 1], [p.sum(), q.sum()])
    found = calochallenge_classifiers.jensen_shannon((q / (p + q))[x], label)
    assert found.value == pytest.approx(jensenshannon(p, q, base=2) ** 2, rel=1e-12)


def test_coverage_is_scipys_kolmogorov_smirnov_test():
    """Of continuous observables: the distance of the truth's ranks, and its 99 percent quantile for many events."""
    rng = np.random.default_rng(7)
    draws, truth = rng.normal(size=(19, 4000, 1)), rng.normal(0.1, 1.1, size=(4000, 1))
    found = metrics.coverage(draws, truth, (Column("x"),), seed=3)[0]
    ranks = (draws < truth).sum(0)[:, 0] + np.random.default_rng(3).uniform(size=(4000, 1))[:, 0]
    assert found.deviation == pytest.approx(stats.kstest(ranks / 20, "uniform").statistic, rel=1e-9)
    assert found.floor.top == pytest.approx(stats.kstwo.ppf(0.99, 4000), rel=0.01)
    np.testing.assert_array_equal(found.counts, np.histogram(ranks / 20, 20, (0, 1))[0])


def test_the_mode_is_that_of_scipys_kernel_density():
    """The same bandwidth, searched on a grid a hundred times finer than a hundredth of the width."""
    x = np.random.default_rng(8).gamma(4.0, size=400)
    low, high = np.quantile(x, stats.norm.cdf([-1, 1]))
    bandwidth = (high - low) / 2 * (1.25 * len(x)) ** (-1 / 7)
    density = stats.gaussian_kde(x, bw_method=bandwidth / x.std(ddof=1))
    grid = np.linspace(low, high, 20_001)
    assert metrics.mode(x).value == pytest.approx(grid[density(grid).argmax()], abs=2e-3 * (high - low))
    assert metrics.half_width(x).value == pytest.approx((high - low) / 2, rel=1e-12)


@pytest.mark.parametrize(("ours", "statistic"), [("median", np.median), ("half_width", None)])
def test_bootstrap_errors_are_scipys(ours, statistic):
    """200 bootstraps against scipy's 2,000: known to 1 / sqrt(400) and 1 / sqrt(4,000), asked for within 4 of these."""
    x = np.random.default_rng(9).normal(size=300)

    def half(x, axis=-1):
        low, high = np.quantile(x, stats.norm.cdf([-1, 1]), axis=axis)
        return (high - low) / 2

    expected = stats.bootstrap((x,), statistic or half, n_resamples=2000, method="basic", rng=1).standard_error
    assert getattr(metrics, ours)(x).error == pytest.approx(expected, rel=4 * np.sqrt(1 / 400 + 1 / 4000))


def test_moments_are_scipys():
    x = np.random.default_rng(10).exponential(size=50)
    found = metrics.moments(x)
    assert (found.mean_error, found.width) == pytest.approx((stats.sem(x), stats.tstd(x)), rel=1e-12)


# `HighLevelFeatures` of the CaloChallenge's repository (commit 9b41df7), of the shower of `waves`: the total energy,
# and of one layer energy, sparsity, centres in eta and phi, widths in eta and phi, centre and width in r; MeV and mm.
# Of 60 random showers each all features agree to 1e-12 of the largest, widths within 1e-5 mm where they vanish.
OFFICIAL = {
    "1_photons": (2, 1334.2264882576924, [
        631.7809625662574, 0.49473684210526314, 38.75148392377595, -27.26123954264819,
        92.79263048783147, 103.89562104011088, 96.14728092496617, 111.37919645334811,
    ]),
    "1_pions": (5, 1740.7446062696458, [
        373.5976597156224, 0.56875, -91.04088027322112, -68.05040281820544,
        288.91137271611393, 309.5321781819048, 209.33112014922634, 385.2008981771161,
    ]),
    "2": (44, 20990.732649326827, [
        464.9315684832195, 0.4930555555555556, 0.884829745449854, -0.6251271750992176,
        16.872602116571073, 16.754890044130644, 20.596266517102094, 11.932248564080709,
    ]),
    "3": (44, 130257.18409398943, [
        2871.4198547609776, 0.5, 0.7400072543848438, 0.843324577589059,
        17.25079128935445, 16.660573348513992, 20.666340503765685, 12.21988877495225,
    ]),
}  # fmt: skip


@pytest.mark.parametrize("name", OFFICIAL)
def test_features_are_those_of_the_challenges_code(name):
    shape = geometry.named(f"calochallenge_{name}")
    k = np.arange(shape.voxels)
    waves = 10 * np.maximum(np.sin(0.37 * k) + 0.2 * np.sin(0.0113 * k), 0)
    found = calorimeter.batched_features([Showers(np.full(1, 1e4), waves[None], shape)])
    layer, total, expected = OFFICIAL[name]
    columns = ("energy", "sparsity", "centre_eta", "centre_phi", "width_eta", "width_phi", "centre_r", "width_r")
    assert found.total[0] == pytest.approx(total, rel=1e-12)
    assert [getattr(found, column)[0, layer] for column in columns] == pytest.approx(expected, rel=1e-9)
