"""FPD and KPD against jetnet, direct sums and scipy's matrix root; closed forms of Gaussians; properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm

from hepjax import metrics
from hepjax.metrics import physics_distances
from hepjax.types import InputError

SIZES = (1 / np.linspace(1 / 150, 1 / 750, 10)).astype(int).tolist()
# jetnet 0.2.5 under numpy 1.26 and scipy 1.17, for `two_samples()`: (value, error) of
# fpd(x, y, min_samples=150, max_samples=750) and kpd(x, y, batch_size=150); then of the first three features alone.
JETNET = {
    4: ((0.014081422869682841, 0.0011258387453350947), (0.002888611743518066, 0.003181989535925145)),
    3: ((0.014081422869682841, 0.0011258387453350947), (0.005051154586068307, 0.004169547631741155)),
}


def two_samples():
    """Features (2000, 4) and (1500, 4), of which the last is zero."""
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(2000, 4)), 1.2 * rng.normal(size=(1500, 4)) + 0.1
    x[:, 3] = y[:, 3] = 0
    return x, y


def covariances(rng, d=6):
    """Two of full rank, and one of rank d / 2."""
    roots = [rng.normal(size=(d, k)) for k in (d, d, d // 2)]
    return [root @ root.T for root in roots]


def direct_mmd(x, y):
    """Pair by pair."""
    d, n, m = x.shape[1], len(x), len(y)
    k = [[(p @ q / d + 1) ** 4 for q in (*x, *y)] for p in (*x, *y)]
    same = sum(k[i][j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    same += sum(k[n + i][n + j] for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return same - 2 * sum(k[i][n + j] for i in range(n) for j in range(m)) / (n * m)


@pytest.mark.parametrize("features", [4, 3])
def test_the_values_of_jetnet(features):
    """Same draws, so the same numbers; scipy stops its fit at 1e-8 of them."""
    x, y = (sample[:, :features] for sample in two_samples())
    frechet, kernel = JETNET[features]
    np.testing.assert_allclose(metrics.fpd(x, y, sizes=SIZES), frechet, rtol=1e-6)
    np.testing.assert_allclose(metrics.kpd(x, y, batch=150), kernel, rtol=1e-9)


def test_jetnet_itself():
    """Where it is installed, which numpy 2 does not allow."""
    jetnet = pytest.importorskip("jetnet.evaluation")
    x, y = two_samples()
    expected = jetnet.fpd(x, y, min_samples=150, max_samples=750)
    np.testing.assert_allclose(metrics.fpd(x, y, sizes=SIZES), expected, rtol=1e-6)
    np.testing.assert_allclose(metrics.kpd(x, y, batch=150), jetnet.kpd(x, y, batch_size=150), rtol=1e-9)


def test_frechet_distance_against_the_matrix_root(rng):
    """Relative to the traces; the root of a singular product is known to the square root of rounding."""
    full, other, singular = covariances(rng)
    mean = rng.normal(size=6)
    for a, b, rtol in ((full, other, 1e-12), (other, full, 1e-12), (full, singular, 1e-6), (singular, full, 1e-6)):
        expected = mean @ mean + np.trace(a + b - 2 * sqrtm(a @ b).real)
        got = metrics.frechet_distance(mean, a, np.zeros(6), b)
        assert got == pytest.approx(expected, abs=rtol * np.trace(a + b))


def test_frechet_distance_of_singular_covariances(rng):
    """Of itself zero, symmetric, and of subspaces at right angles the sum of the traces."""
    full, _, singular = covariances(rng)
    zero, scale = np.zeros(6), np.trace(full)
    assert metrics.frechet_distance(zero, singular, zero, singular) == pytest.approx(0, abs=1e-6 * scale)
    there, back = (metrics.frechet_distance(zero, a, zero, b) for a, b in ((full, singular), (singular, full)))
    assert there == pytest.approx(back, abs=1e-6 * scale)
    first, second = np.diag([1.0, 2, 0, 0]), np.diag([0.0, 0, 3, 4])
    assert metrics.frechet_distance(np.zeros(4), first, np.zeros(4), second) == pytest.approx(10)
    assert metrics.frechet_distance(np.zeros(4), 0 * first, np.zeros(4), 0 * first) == 0


def test_moments_of_drawn_rows(rng):
    """In chunks that do not fill the last one, with the means and covariances of numpy."""
    table = rng.normal(5, 0.1, size=(300, 4))
    rows = rng.integers(300, size=1234)
    with jax.enable_x64(True):
        mean, covariance = physics_distances._moments(jnp.asarray(table), rows)
    np.testing.assert_allclose(mean, table[rows].mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(table[rows], rowvar=False), rtol=1e-9, atol=1e-13)


def test_fpd_of_gaussians():
    """Independent features of width s: FPD = sum (shift^2 + (s - s')^2) / max|reference|^2.

    Five times the spread over samples, which the shift's error sets: 2 shift sqrt(s^2 + s'^2) / sqrt(n) a feature. The
    bias of d (d + 5) / (2 n) is below it.
    """
    rng = np.random.default_rng(2)
    n, shift, widths, others = 20_000, 0.3, np.array([1.0, 2.0]), np.array([1.1, 1.7])
    x, y = rng.normal(0, widths, size=(n, 2)), rng.normal(shift, others, size=(n, 2))
    largest = np.abs(x).max(axis=0)
    expected = np.sum((shift**2 + (widths - others) ** 2) / largest**2)
    spread = 2 * shift * np.sqrt(np.sum((widths**2 + others**2) / largest**4) / n)
    assert metrics.fpd(x, y, batches=10).value == pytest.approx(expected, abs=5 * spread)


def test_bias_of_small_samples():
    """Of one law, FPD is d (d + 5) / (2 n) for unit Gaussians, here over the mean square of the largest features.

    One pair of samples has a spread of sqrt(70) / n around 25 / n, the mean of 24 one of 7 percent; asked for 25.
    """
    rng = np.random.default_rng(3)
    d, n, ratios = 5, 1000, []
    for _ in range(24):
        x, y = rng.normal(size=(n, d)), rng.normal(size=(n, d))
        expected = d * (d + 5) / (2 * n) * np.mean(np.abs(x).max(axis=0) ** -2.0)
        ratios.append(metrics.fpd(x, y, batches=10).value / expected)
    assert np.mean(ratios) == pytest.approx(1, rel=0.25)


@pytest.mark.parametrize("shape", [(7, 5, 1), (12, 20, 3)])
def test_mmd_pair_by_pair(rng, shape):
    n, m, d = shape
    x, y = rng.normal(size=(n, d)), rng.normal(1, 2, size=(m, d))
    assert metrics.mmd(x, y) == pytest.approx(direct_mmd(x, y), rel=1e-12)


def test_mmd_in_blocks(rng, monkeypatch):
    x, y = rng.normal(size=(50, 3)), rng.normal(1, 2, size=(31, 3))
    whole = metrics.mmd(x, y)
    monkeypatch.setattr(physics_distances, "KERNEL_ROWS_AT_ONCE", 8)
    assert metrics.mmd(x, y) == pytest.approx(whole, rel=1e-12)


def test_mmd_is_unbiased():
    """Of one law, it averages to zero: 200 pairs of 20 rows, within 4 standard errors."""
    rng = np.random.default_rng(4)
    values = [metrics.mmd(rng.normal(size=(20, 2)), rng.normal(size=(20, 2))) for _ in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)


@pytest.mark.parametrize("distance", [metrics.fpd, metrics.kpd])
class TestProperties:
    def test_a_sample_against_itself(self, distance):
        """Below a hundredth of that to the other sample, or within three errors of zero."""
        x, y = two_samples()
        value, error = distance(x, x)
        assert abs(value) < max(0.01 * distance(x, y).value, 3 * error)

    def test_features_in_any_order_and_unit(self, distance):
        """Units are powers of two, and change no digit."""
        x, y = two_samples()
        order, unit = [2, 0, 3, 1], 2.0 ** np.array([-9, 0, 3, 20])
        expected = distance(x, y)
        np.testing.assert_allclose(distance(x[:, order], y[:, order]), expected, rtol=1e-6)
        np.testing.assert_allclose(distance(x * unit, y * unit), expected, rtol=1e-6)
        np.testing.assert_allclose(distance(-x, -y), expected, rtol=1e-6)

    def test_rows_in_any_order(self, distance, rng):
        """Other rows are drawn then: equal within five errors of both, and of the draws' spread."""
        x, y = two_samples()
        value, error = distance(x, y)
        other, other_error = distance(rng.permutation(x), rng.permutation(y))
        assert other == pytest.approx(value, abs=5 * np.hypot(error, other_error))

    def test_a_farther_sample_is_farther(self, distance):
        x, _ = two_samples()
        values = [distance(x, x + shift).value for shift in (0.0, 0.3, 0.6)]
        assert values[0] < values[1] < values[2]

    def test_same_seed_same_value(self, distance):
        x, y = two_samples()
        assert distance(x, y) == distance(x.astype(np.float64), y.copy())
        assert distance(x, y) != distance(x, y, seed=1)

    @pytest.mark.parametrize("fault", ["width", "nan", "infinite", "few"])
    def test_bad_input_is_one_line(self, distance, fault):
        x, y = two_samples()
        y[0] = {"nan": np.nan, "infinite": np.inf}.get(fault, 0.0)
        y = {"width": y[:, :2], "few": y[:10]}.get(fault, y)
        with pytest.raises(InputError) as error:
            distance(x, y)
        assert "\n" not in str(error.value)


def test_fpd_scales_with_the_square_of_a_shift():
    """Far from the widths, FPD is the squared distance of the means over max|reference|^2, here within 1 percent."""
    x, _ = two_samples()
    near, far = (metrics.fpd(x[:, :3], x[:, :3] + shift).value for shift in (5, 10))
    assert far / near == pytest.approx(4, rel=0.01)


def test_the_extrapolated_line_is_exact():
    """On its bounds and off them: exact data, and the closed forms of the least squares with one parameter at zero."""
    sizes = np.array(SIZES)
    x = 1 / sizes
    assert physics_distances.extrapolated(sizes, 0.3 + 2 * x).value == pytest.approx(0.3, rel=1e-9)
    rising = 2 * x - 5e-4 * (1 + np.cos(np.arange(len(x))))
    assert np.polyfit(x, rising, 1)[1] < 0
    assert physics_distances.extrapolated(sizes, rising).value == 0
    falling = 0.3 - 2 * x
    assert physics_distances.extrapolated(sizes, falling).value == pytest.approx(falling.mean(), rel=1e-9)


def test_the_error_of_the_line_is_that_of_the_residuals():
    """As numpy has it, for a line off its bounds."""
    sizes, rng = np.array(SIZES), np.random.default_rng(5)
    y = 0.3 + 2 / sizes + 1e-3 * rng.normal(size=len(sizes))
    fit, covariance = np.polyfit(1 / sizes, y, 1, cov=True)
    expected = fit[1], np.sqrt(covariance[1, 1])
    np.testing.assert_allclose(physics_distances.extrapolated(sizes, y), expected, rtol=1e-6)


def test_sizes():
    published = metrics.scaled_sizes(100_000, 121_000)
    assert published == metrics.scaled_sizes(10**6, 10**6)
    assert published.kernel == 10_000
    # As jetnet truncates them.
    assert published.frechet == (10000, 10975, 12162, 13636, 15517, 18000, 21428, 26470, 34615, 49999)
    small = metrics.scaled_sizes(30, 1_000)
    assert small.kernel == 30 and min(small.frechet) == 3 and max(small.frechet) <= 15
    np.testing.assert_allclose(np.diff(1 / np.array(published.frechet), 2), 0, atol=1e-8)


def test_the_note_names_the_sizes():
    assert metrics.size_notes(100_000, 100_000) == {}
    note = metrics.size_notes(1_000, 5_000)["fpd"]
    assert note == "FPD with 100 to 500 showers a batch, scaled to samples of 1,000 (published: 10,000 to 50,000)"
