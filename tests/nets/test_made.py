"""The masked autoregressive net: what each output sees, and the evaluation coordinate by coordinate."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import nets

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
# (dim, hidden, dim_cond): more and fewer units than coordinates, one coordinate, none to condition on.
SHAPES = [(4, (16, 16), 2), (7, (5, 3), 1), (1, (8,), 2), (3, (8, 8), 0)]
every_shape = pytest.mark.parametrize(("dim", "hidden", "dim_cond"), SHAPES, ids=str)


def inputs(dim, hidden, dim_cond, n=5):
    net = nets.made(dim, 2, hidden, dim_cond=dim_cond, zero_output=False)
    x = jax.random.normal(KEY, (n, dim))
    return net, jax.jit(net.init)(KEY), x, jax.random.normal(KEY, (n, dim_cond)) if dim_cond else None


@every_shape
def test_an_output_sees_the_coordinates_before_it_and_the_condition(dim, hidden, dim_cond):
    net, params, x, cond = inputs(dim, hidden, dim_cond, n=1)
    x, cond = x[0], None if cond is None else cond[0]
    on_x = np.abs(jax.jacobian(lambda x: net.apply(params, x, cond))(x)).sum(0)
    assert not np.triu(on_x).any()
    if hidden[0] > dim:
        assert (on_x[np.tril_indices(dim, -1)] > 0).all()
    if cond is not None:
        assert (np.abs(jax.jacobian(lambda c: net.apply(params, x, c))(cond)).sum(0) > 0).all()


@every_shape
def test_coordinate_by_coordinate_is_the_same_as_at_once(dim, hidden, dim_cond):
    """Choosing x_i = z_i - output_0, as an autoregressive model is inverted, against `apply` at the finished x."""
    net, params, z, cond = inputs(dim, hidden, dim_cond)
    unroll = jax.jit(lambda z, cond: net.unroll(params, lambda y, z: (z - y[0], y[1]), z, cond))
    x, extra = unroll(z, cond)
    y = net.apply(params, x, cond)
    np.testing.assert_allclose(x, z - y[0].T, atol=1e-5)
    np.testing.assert_allclose(extra, y[1].T, atol=1e-5)


def test_any_leading_shape_and_broadcast_conditions():
    net, params, x, cond = inputs(4, (16, 16), 2, n=6)
    y = net.apply(params, x, cond)
    assert y.shape == (2, 4, 6)
    np.testing.assert_allclose(net.apply(params, x.reshape(2, 3, 4), cond.reshape(2, 3, 2)), y.reshape(2, 4, 2, 3))
    np.testing.assert_allclose(net.apply(params, x[0], cond[0]), y[..., 0], atol=1e-6)
    np.testing.assert_allclose(net.apply(params, x[0], cond)[..., 0], y[..., 0], atol=1e-6)


def test_activations_start_with_the_spread_that_lecun_meant():
    """Every output, whether it sees one coordinate or all, starts with a spread of order one."""
    net, params, x, _ = inputs(20, (64, 64), 0, n=500)
    spread = np.asarray(net.apply(params, x)).std(-1)[:, 1:]
    assert (spread > 0.05).all() and (spread < 1).all()


def test_the_default_start_is_the_zero_function():
    net = nets.made(3, 2, (8,))
    assert not net.apply(jax.jit(net.init)(KEY), jnp.ones(3)).any()


def test_wrong_inputs_are_named():
    net, params, x, cond = inputs(4, (16, 16), 2)
    for bad, message in [((x[:, :3], cond), r"x of shape \(..., 4\)"), ((x, None), "takes 2 conditions, got none")]:
        with pytest.raises(ValueError, match=message):
            net.apply(params, *bad)
