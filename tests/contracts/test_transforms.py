"""What every transform owes its caller."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import TRANSFORMS, finite

KEY = jax.random.key(0)
every_transform = pytest.mark.parametrize("case", TRANSFORMS, ids=lambda c: c.name)


@functools.cache
def fitted(case):
    """The transform, compiled once for all tests, its constants, and the events they were fitted to."""
    model, x, cond = case.build(), case.x(KEY, (64,)), case.conditions(KEY, (64,))
    compiled = model._replace(forward=jax.jit(model.forward), inverse=jax.jit(model.inverse))
    return compiled, model.fit(x, cond), x, cond


@every_transform
def test_the_same_spec_is_the_same_transform(case):
    assert case.build() is case.build()


@every_transform
def test_round_trip(case):
    model, constants, x, cond = fitted(case)
    y, log_det = model.forward(constants, x, cond)
    back, log_det_back = model.inverse(constants, y, cond)
    np.testing.assert_allclose(back, x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(log_det_back, -log_det, rtol=1e-3, atol=1e-3)


@every_transform
def test_log_determinant_is_that_of_the_jacobian(case):
    model, constants, x, cond = fitted(case)

    def jacobian(x, cond):
        return jnp.linalg.slogdet(jax.jacfwd(lambda x: model.forward(constants, x, cond)[0])(x))[1]

    _, log_det = model.forward(constants, x, cond)
    np.testing.assert_allclose(log_det, jax.jit(jax.vmap(jacobian))(x, cond), rtol=1e-3, atol=1e-3)


@every_transform
@pytest.mark.parametrize("shape", [(), (1,), (2, 3)], ids=str)
def test_any_leading_batch_shape(case, shape):
    model, constants, _, _ = fitted(case)
    n = int(np.prod(shape))
    x, cond = case.x(KEY, (n,)), case.conditions(KEY, (n,))
    flat, flat_det = model.forward(constants, x, cond)
    y, log_det = model.forward(constants, x.reshape(*shape, -1), None if cond is None else cond.reshape(*shape, -1))
    np.testing.assert_allclose(y, flat.reshape(*shape, -1), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(log_det, flat_det.reshape(shape), rtol=1e-5, atol=1e-6)


@every_transform
def test_jit_equals_no_jit(case):
    model, constants, x, cond = fitted(case)
    eager, compiled = case.build().forward(constants, x, cond), model.forward(constants, x, cond)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), eager, compiled)


@every_transform
def test_gradients_are_finite(case):
    model, constants, x, cond = fitted(case)

    @jax.jit
    def gradients(x, cond):
        back = jax.grad(lambda x: model.inverse(constants, model.forward(constants, x, cond)[0], cond)[0].sum())
        return jax.grad(lambda x: model.forward(constants, x, cond)[0].sum())(x), back(x)

    assert finite(gradients(x, cond))
