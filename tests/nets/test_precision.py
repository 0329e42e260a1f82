"""bfloat16 inside nets, and insides computed again: what comes out stays float32, and near what it was."""

import contextlib
import functools

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from hepjax import flows, nets
from hepjax.types import Events

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
EVENTS, DIM = 64, 6
# A rounding to 8 bits is off by 2^-9 at most, and by 2^-10.8 in the mean square; some ten follow one another.
ROUNDING = 2.0**-6  # of outputs; gradients pass twice as many, and sums of either sign

FACTORIES = {
    "mlp": functools.partial(nets.mlp, DIM, DIM, (32, 32), time=True),
    "resnet": functools.partial(nets.resnet, DIM, DIM, 32, 2, time=True, norm=True),
    "sbunfold": functools.partial(nets.sbunfold, DIM, 32, 2),
    "conv": functools.partial(nets.conv, (2, 3), 8, 2, dim_time=8),
    "resnet3d": functools.partial(nets.resnet3d, (1, 1, DIM - 1), 1, (4, 8)),
}
every_net = pytest.mark.parametrize("name", FACTORIES)
deep = pytest.mark.parametrize("name", ["resnet", "conv"])


def started(init):
    """Random parameters, in which no layer is zero."""

    @jax.jit
    def start():
        leaves, tree = jax.tree.flatten(init(KEY))
        keys = jax.random.split(KEY, len(leaves))
        return tree.unflatten([a + 0.1 * jax.random.normal(k, a.shape) for k, a in zip(keys, leaves, strict=True)])

    return start()


@contextlib.contextmanager
def jaxtyping_off():
    """As users have it: the tests check types at run time."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def apply(name, net, params, x, time=0.3):
    """Output of a net; the one for voxels knows no time."""
    return net.apply(params, x, time=None if name == "resnet3d" else time)


def distance(a, b) -> float:
    """Norm of the difference of two pytrees over the norm of the second."""
    a, b = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (a, b))
    return float(np.linalg.norm(a - b) / np.linalg.norm(b))


@every_net
def test_bfloat16_stays_inside(name):
    exact, rounded = FACTORIES[name](), FACTORIES[name](precision="bfloat16")
    params, x = started(exact.init), jax.random.normal(KEY, (EVENTS, DIM))

    @functools.partial(jax.jit, static_argnums=0)
    def run(net):
        def loss(params):
            y = apply(name, net, params, x)
            return jnp.mean(jnp.sin(y)), y

        return jax.grad(loss, has_aux=True)(params)

    (gradient, y), (expected_gradient, expected) = run(rounded), run(exact)
    assert {leaf.dtype for leaf in jax.tree.leaves((gradient, y))} == {jnp.dtype("float32")}
    assert 0 < distance(y, expected) < ROUNDING
    assert distance(gradient, expected_gradient) < 8 * ROUNDING


@pytest.mark.parametrize("name", ["mlp", "resnet", "sbunfold", "conv"])
def test_the_steps_of_a_sampler_are_told_apart(name):
    """A thousandth of the time is less than bfloat16 resolves near one."""
    net = FACTORIES[name](precision="bfloat16")
    params, x = started(net.init), jax.random.normal(KEY, (EVENTS, DIM))
    run = jax.jit(lambda time: apply(name, net, params, x, time))
    assert np.any(run(0.999) != run(0.998))


def test_made_in_bfloat16_unrolls_to_what_it_reads():
    """Drawn coordinate by coordinate or read in one pass, the net sees numbers rounded alike."""
    made = nets.made(4, 1, (32, 32), precision="bfloat16", zero_output=False)
    params, z = started(made.init), jax.random.normal(KEY, (EVENTS, 4))
    x, _ = made.unroll(params, lambda given, z_i: (z_i + given[0], given[0]), z)
    shift = made.apply(params, x)[0].T
    assert x.dtype == shift.dtype == jnp.float32
    assert distance(x, z + shift) < ROUNDING


def test_an_unknown_precision_is_refused():
    with jaxtyping_off(), pytest.raises(ValueError, match="precision must be one of float32, bfloat16, got 'float8'"):
        nets.mlp(2, 1, (4,), precision="float8").apply({}, jnp.ones(2))  # pyright: ignore[reportArgumentType]


def residual_bytes(function, params) -> int:
    """What training keeps of the forward pass for the backward one. (XLA for CPUs computes nothing again.)"""
    backward = jax.eval_shape(lambda params: jax.vjp(function, params)[1], params)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(backward))


@deep
def test_what_is_computed_again_is_the_same_and_is_not_kept(name):
    factory = {"resnet": functools.partial(nets.resnet, DIM, DIM, 32, 8, time=True)}.get(name)
    factory = factory or functools.partial(nets.conv, (2, 3), 16, 6)
    params, x = started(factory().init), jax.random.normal(KEY, (256, DIM))
    kept, again = (
        lambda params, net=net: jnp.mean(net.apply(params, x, time=0.3) ** 2)
        for net in (factory(), factory(rematerialise=True))
    )
    assert distance(jax.jit(jax.grad(again))(params), jax.jit(jax.grad(kept))(params)) < 1e-5
    assert residual_bytes(again, params) < 0.6 * residual_bytes(kept, params)


@pytest.mark.parametrize("make", [flows.coupling, flows.autoregressive], ids=["coupling", "autoregressive"])
def test_flows_in_bfloat16_and_computed_again(make):
    x = jax.random.normal(KEY, (256, DIM))

    def loss(**options):
        bijection = make(DIM, flows.spline(4), depth=4, hidden=(32,), **options)
        flow = flows.transformed(bijection, flows.normal(DIM))
        return flow, lambda params: flow.loss(KEY, params, Events(x))[0]

    (flow, kept), (_, again), (_, rounded) = loss(), loss(rematerialise=True), loss(precision="bfloat16")
    params = started(flow.init)
    (nll, gradient), (same_nll, same), (rough_nll, rough) = (
        jax.jit(jax.value_and_grad(f))(params) for f in (kept, again, rounded)
    )
    np.testing.assert_allclose(same_nll, nll, rtol=1e-6)
    assert distance(same, gradient) < 1e-5
    assert residual_bytes(again, params) < 0.5 * residual_bytes(kept, params)
    assert {leaf.dtype for leaf in jax.tree.leaves((rough_nll, rough))} == {jnp.dtype("float32")}
    assert 0 < abs(rough_nll - nll) < ROUNDING * abs(nll)
