"""Zero mean and unit width, with weights, constant columns and both precisions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import transforms

pytestmark = pytest.mark.usefixtures("fast_compilation")

SCALE = transforms.standardize()


def test_columns_have_zero_mean_and_unit_width(rng):
    data = rng.normal([1e4, -3.0], [1e3, 0.01], size=(500, 2))
    y, _ = SCALE.forward(SCALE.fit(data), jnp.asarray(data, float))
    np.testing.assert_allclose(y.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(y.std(0), 1, rtol=1e-4)


@pytest.mark.parametrize("x64", [False, True])
def test_round_trip_and_log_determinant(rng, x64):
    data = rng.normal([5.0, -3.0, 0.0], [2.0, 0.1, 30.0], size=(50, 3))
    with jax.enable_x64(x64):
        constants, x = SCALE.fit(data), jnp.asarray(data, float)
        y, log_det = SCALE.forward(constants, x)
        back, log_det_back = SCALE.inverse(constants, y)
        assert y.dtype == (jnp.float64 if x64 else jnp.float32)
        tolerance = 1e-12 if x64 else 1e-5
        np.testing.assert_allclose(back, x, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(log_det_back, -log_det, rtol=tolerance)
        jacobian = jax.jacfwd(lambda x: SCALE.forward(constants, x)[0])(x[0])
        np.testing.assert_allclose(log_det[0], jnp.linalg.slogdet(jacobian)[1], rtol=10 * tolerance)


def test_weights_are_repetitions(rng):
    data, weight = rng.normal(size=(40, 2)), rng.integers(0, 4, size=40)
    weighted, repeated = SCALE.fit(data, weight=weight), SCALE.fit(np.repeat(data, weight, axis=0))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), weighted, repeated)


def test_a_constant_column_keeps_its_unit():
    data = np.stack([np.full(10, 7.0), np.arange(10.0)], axis=1)
    y, log_det = SCALE.forward(SCALE.fit(data), jnp.asarray(data, float))
    np.testing.assert_array_equal(y[:, 0], 0)
    assert np.isfinite(log_det).all()
