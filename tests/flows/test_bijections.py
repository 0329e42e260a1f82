"""Chains, starts from data, couplings and autoregressive layers; their common contracts are in tests/contracts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import flows
from hepjax.training import Config, checkpoint, fit
from hepjax.types import Events, State

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)


def noisy(params, size=0.3):
    """Parameters away from their start."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda a: a + jnp.asarray(rng.normal(0, size, a.shape), a.dtype), params)


@pytest.mark.parametrize("inverse", [False, True])
def test_autoregressive_layers_are_triangular(inverse):
    block, *_ = flows.autoregressive_blocks(4, flows.mixture(3), depth=1, hidden=(16,), dim_cond=1, inverse=inverse)
    params = noisy(jax.jit(block.init)(KEY))
    jacobian = jax.jit(jax.jacfwd(lambda x: block.forward(params, x, jnp.ones(1))[0]))(jnp.linspace(-1, 1, 4))
    # A block ends with a reversal, which flips the rows.
    lower = np.asarray(jacobian)[::-1]
    assert np.abs(np.triu(lower, 1)).max() < 1e-6
    assert (np.abs(lower[np.tril_indices(4)]) > 0).all()


def test_activation_normalisation_starts_by_standardising_a_weighted_batch():
    x = jax.random.normal(KEY, (1000, 3)) * jnp.array([0.1, 5.0, 0.0]) + jnp.array([3.0, -2.0, 7.0])
    weight = jnp.arange(1000.0)
    norm = flows.actnorm(3)
    z, log_det = norm.forward(norm.init(KEY, Events(x, weight=weight)), x)
    np.testing.assert_allclose(np.average(z, axis=0, weights=weight), 0, atol=1e-3)
    np.testing.assert_allclose(np.average(z**2, axis=0, weights=weight), [1, 1, 0], atol=1e-3)
    assert bool(jnp.isfinite(log_det).all())


@pytest.mark.parametrize("inverse", [False, True])
def test_every_block_of_a_chain_starts_from_what_reaches_it(inverse):
    """All normalisations but the first find standard events, so that they start near the identity."""
    x = 3 + 2 * jax.random.normal(KEY, (500, 2))
    chain = flows.autoregressive(2, flows.affine(), depth=3, hidden=(8,), inverse=inverse)
    first, *others = jax.jit(chain.init)(KEY, Events(x))
    np.testing.assert_allclose(first[0]["shift"], 3, atol=0.3)
    for block in others:
        np.testing.assert_allclose(block[0]["shift"], 0, atol=1e-3)
        np.testing.assert_allclose(block[0]["log_scale"], 0, atol=1e-3)


@pytest.mark.parametrize("permutation", ["swap", "random", "learned"])
def test_couplings_reach_every_coordinate(permutation):
    """Also with an odd number of them, where a reversal would always leave the middle one where it is."""
    flow = flows.coupling(5, flows.affine(), depth=5, hidden=(8,), permutation=permutation)
    params = noisy(jax.jit(flow.init)(KEY))
    jacobian = jax.jit(jax.jacfwd(lambda x: flow.forward(params, x)[0]))(jnp.linspace(-1, 1, 5))
    assert (np.abs(jacobian) > 1e-7).all()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: flows.coupling(1, flows.affine()), "two coordinates"),
        (lambda: flows.coupling(2, flows.affine(), permutation="none"), "permutation must be one of"),
        (lambda: flows.permute((0, 2)), "not a permutation"),
    ],
    ids=["one coordinate", "unknown permutation", "no permutation"],
)
def test_wrong_options_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()


def ring(n):
    """Events around a circle of a radius given by the condition: curved, with a hole."""
    key_angle, key_radius, key_cond = jax.random.split(KEY, 3)
    angle, cond = 2 * jnp.pi * jax.random.uniform(key_angle, (n,)), jax.random.uniform(key_cond, (n, 1))
    radius = 1 + cond[:, 0] + 0.1 * jax.random.normal(key_radius, (n,))
    return Events(radius[:, None] * jnp.stack([jnp.cos(angle), jnp.sin(angle)], -1), cond)


KINDS = {"coupling": flows.coupling, "autoregressive": flows.autoregressive}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_after_training(kind, tmp_path):
    """A spline flow beats the normal density it started near, still inverts in float32, and comes back from a file."""
    data = ring(2000)
    bijection = kind(2, flows.spline(6), depth=2, hidden=(16,), dim_cond=1)
    flow = flows.transformed(bijection, flows.normal(2))
    start = jax.jit(flow.init)(KEY, data)
    config = Config(epochs=10, batch_size=200, learning_rate=1e-2, validation=0.0)
    params = fit(KEY, flow, data, config, params=start).params
    nll = jax.jit(lambda params: flow.loss(KEY, params, data)[0])
    assert nll(params) < nll(start) - 0.2

    z, log_det = bijection.forward(params["bijection"], data.x, data.cond)
    x, log_det_back = jax.jit(bijection.inverse)(params["bijection"], z, data.cond)
    np.testing.assert_allclose(x, data.x, atol=1e-4)
    np.testing.assert_allclose(log_det_back, -log_det, atol=1e-3)

    checkpoint.save(tmp_path / "flow", State("ring", {}, params))
    loaded = checkpoint.load(tmp_path / "flow", lambda spec: State(spec, {}, params))
    np.testing.assert_array_equal(flow.sample(KEY, loaded.params, data.cond), flow.sample(KEY, params, data.cond))
