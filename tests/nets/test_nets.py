"""Nets: sizes, starts, conditions; their common contracts are in tests/contracts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import nets

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)


def size(net) -> int:
    return sum(a.size for a in jax.tree.leaves(jax.eval_shape(net.init, KEY)))


def started(net):
    return jax.jit(lambda: jax.tree.map(lambda a: a + 0.1, net.init(KEY)))()


def test_sbunfold_has_the_published_number_of_parameters():
    assert size(nets.sbunfold()) == 13_830


def test_conv_has_the_layers_of_squirels():
    """Encoder and decoder of 3x3 convolutions, and 128 -> 256 -> 256 -> 32 for the time."""
    convolutions = (9 + 1) * 32 + 3 * (9 * 32 + 1) * 32
    decoder = (9 * (32 + 32 + 3) + 1) * 32 + 2 * (9 * 32 + 1) * 32 + 9 * 32 + 1
    time = 129 * 256 + 257 * 256 + 257 * 32
    assert size(nets.conv((10, 10), dim_cond=3)) == convolutions + decoder + time


@pytest.mark.parametrize(
    "net",
    [nets.resnet(3, 2, 8, 2, time=True), nets.mlp(3, 2, (8,), time=True, zero_output=True), nets.conv((1, 3), 4)],
    ids=["resnet", "mlp", "conv"],
)
def test_drifts_start_at_zero(net):
    y = jax.jit(lambda: net.apply(net.init(KEY), jax.random.normal(KEY, (5, 3)), time=jnp.float32(0.5)))()
    np.testing.assert_array_equal(y, 0)


def test_conv_reads_its_image_in_row_major_order_and_only_nearby_cells():
    """One 3x3 layer each way: a cell reaches two cells far, in rows and in columns."""
    net = nets.conv((6, 5), 4, 1, dim_time=8)
    params = started(net)
    jacobian = jax.jit(jax.jacobian(lambda x: net.apply(params, x, time=jnp.float32(0.5))))(jnp.ones(30))
    reached = (np.asarray(jacobian)[0] != 0).reshape(6, 5)
    expected = np.zeros((6, 5), bool)
    expected[:3, :3] = True
    np.testing.assert_array_equal(reached, expected)


def test_a_scalar_time_is_the_time_of_every_event():
    net = nets.resnet(3, 2, 8, 2, dim_cond=1, time=True)
    params = started(net)
    x, cond = jax.random.normal(KEY, (4, 3)), jnp.ones((4, 1))
    shared = net.apply(params, x, cond=cond, time=jnp.float32(0.3))
    np.testing.assert_allclose(net.apply(params, x, cond=cond, time=jnp.full(4, 0.3)), shared, rtol=1e-5)
    np.testing.assert_allclose(net.apply(params, x, cond=cond[0], time=0.3), shared, rtol=1e-5)
    assert not np.allclose(net.apply(params, x, cond=cond, time=0.4), shared)


def test_mlp_activations():
    """Negative inputs of a layer count a hundredth with `leaky_relu`; parameters serve either activation."""
    silu, leaky = nets.mlp(1, 1, (1,)), nets.mlp(1, 1, (1,), activation="leaky_relu")
    params = jax.tree.map(jnp.ones_like, silu.init(KEY))
    x = jnp.array([[-3.0], [2.0]])
    np.testing.assert_allclose(leaky.apply(params, x), 1 + jnp.where(x > -1, x + 1, 0.01 * (x + 1)), rtol=1e-6)
    np.testing.assert_allclose(silu.apply(params, x), 1 + jax.nn.silu(x + 1), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": jnp.ones(4)}, r"x of shape \(..., 3\)"),
        ({"cond": None}, "takes 2 conditions, got none"),
        ({"cond": jnp.ones(1)}, r"takes 2 conditions, got \(1,\)"),
        ({"time": jnp.float32(0)}, "without time"),
        ({"mask": jnp.ones(3)}, "no mask"),
    ],
    ids=["x", "no-cond", "cond", "time", "mask"],
)
def test_wrong_inputs_are_named(arguments, message):
    net = nets.mlp(3, 1, (4,), dim_cond=2)
    with pytest.raises(ValueError, match=message):
        net.apply(started(net), **{"x": jnp.ones(3), "cond": jnp.ones(2), **arguments})


def test_time_embedding_is_smooth_and_tells_times_apart():
    features = nets.time_embedding(jnp.linspace(0, 1, 1001), 16)
    assert features.shape == (1001, 16)
    np.testing.assert_allclose((features**2).sum(-1), 8.0, rtol=1e-5)
    distance = jnp.linalg.norm(features[:, None] - features[None], axis=-1) + 10 * jnp.eye(1001)
    assert float(distance.min()) > 0.1
    with pytest.raises(ValueError, match="even"):
        nets.time_embedding(jnp.zeros(()), 3)
