"""What every bijection owes its caller."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import BIJECTIONS, events, finite, started

from hepjax.types import Events

KEY = jax.random.key(0)
N = 6
every_bijection = pytest.mark.parametrize("case", BIJECTIONS, ids=lambda c: c.name)


@functools.cache
def inputs(case):
    """Both directions, compiled once for all tests, with parameters, events and their conditions."""
    model = case.build()
    arguments = started(model), case.x(KEY, (N,)), case.conditions(KEY, (N,))
    return jax.jit(model.forward), jax.jit(model.inverse), *arguments


@every_bijection
def test_the_same_spec_is_the_same_bijection(case):
    assert case.build() is case.build()


@every_bijection
def test_round_trip(case):
    forward, inverse, params, x, cond = inputs(case)
    z, log_det = forward(params, x, cond)
    back, log_det_back = inverse(params, z, cond)
    np.testing.assert_allclose(back, x, atol=1e-4)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-4)


@every_bijection
def test_log_determinant_is_that_of_the_jacobian(case):
    forward, _, params, x, cond = inputs(case)

    def jacobian(x, cond):
        return jnp.linalg.slogdet(jax.jacfwd(lambda x: case.build().forward(params, x, cond)[0])(x))[1]

    np.testing.assert_allclose(forward(params, x, cond)[1], jax.jit(jax.vmap(jacobian))(x, cond), atol=1e-4)


@every_bijection
def test_any_leading_batch_shape_in_both_directions(case):
    forward, inverse, params, x, cond = inputs(case)
    for direction in (forward, inverse):
        flat, flat_det = direction(params, x, cond)
        for shape in [(), (2, 3)]:
            n = int(np.prod(shape))
            some = [None if a is None else a[:n].reshape(*shape, -1) for a in (x, cond)]
            y, log_det = direction(params, *some)
            np.testing.assert_allclose(y, flat[:n].reshape(*shape, -1), rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(log_det, flat_det[:n].reshape(shape), rtol=1e-4, atol=1e-5)


@every_bijection
def test_gradients_are_finite_at_zeros_and_large_values(case):
    _, _, params, x, cond = inputs(case)

    @jax.jit
    def gradients(params, x):
        def total(direction):
            return lambda params, x: sum(a.sum() for a in direction(params, x, cond))

        return [jax.grad(total(f), (0, 1))(params, x) for f in (case.build().forward, case.build().inverse)]

    for scale in (0.0, 1e3):
        assert finite(gradients(params, scale * x))


@every_bijection
def test_starts_from_a_batch_or_without_one(case):
    model = case.build()
    some = events(KEY, (N,))
    batch = Events(case.x(KEY, (N,)), some.cond if case.cond else None, some.weight)
    start = jax.eval_shape(model.init, KEY)
    assert jax.tree.structure(jax.eval_shape(model.init, KEY, batch)) == jax.tree.structure(start)
