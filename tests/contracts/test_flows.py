"""What every density owes its caller: it integrates to one, and its samples follow it."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import COND, FLOWS, started

from hepjax import flows

KEY = jax.random.key(0)
every_flow = pytest.mark.parametrize("case", FLOWS, ids=lambda c: c.name)
EVENTS = 4000

SMALL = {"depth": 2, "hidden": (8,), "dim_cond": COND}
PLANE = {
    "normal": lambda: flows.normal(2),
    "logistic": lambda: flows.logistic(2),
    "conditional normal": lambda: flows.conditional_normal(2, COND, (8,)),
    "mixture of normals": lambda: flows.mixture_of_normals(2, 3),
    "conditional mixture": lambda: flows.mixture_of_normals(2, 3, dim_cond=COND, hidden=(8,)),
    "coupling": lambda: flows.transformed(flows.coupling(2, flows.spline(4), **SMALL), flows.normal(2)),
    "autoregressive": lambda: flows.transformed(flows.autoregressive(2, flows.mixture(3), **SMALL), flows.normal(2)),
    "inverse autoregressive": lambda: flows.transformed(
        flows.autoregressive(2, flows.affine(), inverse=True, **SMALL), flows.normal(2)
    ),
}
every_plane = pytest.mark.parametrize("build", PLANE.values(), ids=PLANE)


@functools.cache
def inputs(build):
    """A flow in the plane with parameters away from their start, and one condition."""
    return build(), started(build()), jnp.array([0.5, -1.0])


@every_plane
def test_densities_in_the_plane_integrate_to_one(build):
    """Midpoints on 400 x 400 cells, fine against the narrowest feature; no density has mass 1e-4 beyond +-20."""
    flow, params, cond = inputs(build)
    edges = np.linspace(-20, 20, 401)
    middle = jnp.asarray((edges[1:] + edges[:-1]) / 2, jnp.float32)
    grid = jnp.stack(jnp.meshgrid(middle, middle), -1).reshape(-1, 2)
    density = jnp.exp(jax.jit(flow.log_prob)(params, grid, cond))
    np.testing.assert_allclose(float(density.sum()) * (edges[1] - edges[0]) ** 2, 1, atol=1e-3)


@every_plane
def test_samples_follow_the_density(build):
    """The mean of log p over samples is its integral, within 5 standard errors."""
    flow, params, cond = inputs(build)
    middle = jnp.linspace(-20, 20, 401)
    grid = jnp.stack(jnp.meshgrid(middle, middle), -1).reshape(-1, 2)
    log_prob = jax.jit(flow.log_prob)
    on_grid = np.asarray(log_prob(params, grid, cond), np.float64)
    expected = (np.exp(on_grid) * on_grid).sum() * float(middle[1] - middle[0]) ** 2
    values = np.asarray(log_prob(params, flow.sample(KEY, params, cond, (EVENTS,)), cond))
    assert abs(values.mean() - expected) < 5 * values.std() / np.sqrt(EVENTS) + 1e-3


@every_flow
def test_samples_have_the_shape_of_the_request(case):
    model, cond = case.build(), case.conditions(KEY, (3,))
    params = started(model)
    for shape in [(), (2,), (2, 1)]:
        assert jax.eval_shape(lambda s=shape: model.sample(KEY, params, cond, s)).shape == (*shape, 3, case.dim)


@every_flow
def test_a_sampled_event_does_not_depend_on_its_chunk(case):
    model, cond = case.build(), case.conditions(KEY, (6,))
    params = started(model)
    sample = jax.jit(lambda key, cond, rows: model.sample(key, params, cond, rows=rows))
    whole = model.sample(KEY, params, cond)
    chunks = [sample(KEY, cond[s], jnp.arange(6)[s]) for s in (slice(0, 3), slice(3, 6))]
    np.testing.assert_allclose(jnp.concatenate(chunks), whole, rtol=1e-4, atol=1e-5)
    assert not np.allclose(sample(jax.random.key(1), cond[:3], jnp.arange(3)), whole[:3])
