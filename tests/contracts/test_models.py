"""What every net, bridge and classifier owes its caller."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import BRIDGES, MODELS, finite, started, verb

from hepjax.training import checkpoint
from hepjax.types import State

KEY = jax.random.key(0)
# float32: XLA orders the sums of matrices of different shape differently.
assert_close = functools.partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5)
N = 6

every_model = pytest.mark.parametrize("case", MODELS, ids=lambda c: c.name)
every_bridge = pytest.mark.parametrize("case", BRIDGES, ids=lambda c: c.name)
every_loss = pytest.mark.parametrize("case", [c for c in MODELS if c.batch], ids=lambda c: c.name)


@functools.cache
def inputs(case):
    """Model, its compiled verb (one for all tests), parameters, N events, their conditions and rows."""
    model = case.build()
    act = jax.jit(verb(case, model))
    return model, act, started(model), case.x(KEY, (N,)), case.conditions(KEY, (N,)), jnp.arange(N)


@every_model
def test_the_same_spec_is_the_same_model(case):
    assert case.build() is case.build()


@every_model
def test_jit_equals_no_jit(case):
    model, act, *arguments = inputs(case)
    assert_close(act(KEY, *arguments), verb(case, model)(KEY, *arguments))


@every_model
def test_a_second_call_does_not_recompile(case):
    traces = []

    @jax.jit
    def act(*args):
        traces.append(1)
        return verb(case, case.build())(*args)

    for seed in range(2):
        key = jax.random.key(seed)
        act(key, started(case.build(), seed), case.x(key, (N,)), case.conditions(key, (N,)))
    assert len(traces) == 1


@every_loss
def test_a_start_that_sees_events_has_the_same_shapes(case):
    init = case.build().init
    assert jax.eval_shape(init, KEY) == jax.eval_shape(init, KEY, case.batch(KEY, (N,)))


@every_bridge
def test_transport_is_compiled_once_without_the_caller_asking(case):
    model, _, params, x, cond, _ = inputs(case)
    model.transport(KEY, params, x, cond)
    compiled = model.transport._cache_size()
    case.build().transport(jax.random.key(1), started(model, 1), 2 * x, cond)
    assert model.transport._cache_size() == compiled


@every_model
def test_any_leading_batch_shape(case):
    _, act, params, x, cond, rows = inputs(case)
    flat = act(KEY, params, x, cond, rows)
    for shape in [(), (2, 3)]:
        some = [None if a is None else a[: int(np.prod(shape))].reshape(*shape, *a.shape[1:]) for a in (x, cond, rows)]
        expected = flat[: int(np.prod(shape))].reshape(*shape, *flat.shape[1:])
        assert_close(act(KEY, params, *some), expected)


@every_model
def test_vmap_equals_a_loop(case):
    _, act, params, x, cond, rows = inputs(case)
    mapped = jax.vmap(act, (None, None, 0, 0, 0))(KEY, params, x, cond, rows)
    loop = [act(KEY, params, x[i], None if cond is None else cond[i], rows[i]) for i in range(N)]
    assert_close(mapped, jnp.stack(loop))


@every_model
def test_gradients_are_finite_at_zeros_and_large_values(case):
    _, act, params, x, cond, rows = inputs(case)
    gradient = jax.jit(jax.value_and_grad(lambda p, x: act(KEY, p, x, cond, rows).mean(), (0, 1)))
    for scale in (0.0, 1.0, 1e4):
        value, gradients = gradient(params, scale * x)
        assert finite((value, gradients))
        assert any(bool(jnp.any(g != 0)) for g in jax.tree.leaves(gradients))


@every_model
def test_float64_stays_float64(case):
    _, act, params, x, cond, rows = inputs(case)
    with jax.enable_x64(True):
        params, x, cond = jax.tree.map(lambda a: np.asarray(a, np.float64), (params, x, cond))
        assert jax.eval_shape(act, KEY, params, x, cond, rows).dtype == jnp.float64


@every_model
def test_saved_and_loaded_parameters_give_identical_numbers(case, tmp_path):
    _, act, params, *events = inputs(case)
    checkpoint.save(tmp_path / "model", State(case.name, {}, params))
    loaded = checkpoint.load(tmp_path / "model", lambda spec: State(spec, {}, params))
    assert loaded.spec == case.name
    np.testing.assert_array_equal(act(KEY, loaded.params, *events), act(KEY, params, *events))


@every_bridge
def test_an_event_does_not_depend_on_its_chunk(case):
    model, act, params, x, cond, rows = inputs(case)
    whole = model.transport(KEY, params, x, cond)
    chunks = [act(KEY, params, x[s], cond[s], rows[s]) for s in (slice(0, 3), slice(3, N))]
    assert_close(jnp.concatenate(chunks), whole)


@every_loss
def test_loss_jit_equals_no_jit(case):
    model, batch = case.build(), case.batch(KEY, (N,))
    compiled, _ = jax.jit(model.loss)(KEY, started(model), batch)
    assert compiled.shape == ()
    assert_close(compiled, model.loss(KEY, started(model), batch)[0])


@every_loss
def test_loss_gradients_are_finite_at_zeros_and_large_values(case):
    model, batch = case.build(), case.batch(KEY, (N,))
    first = batch._fields[0]
    gradient = jax.jit(jax.value_and_grad(lambda p, batch: model.loss(KEY, p, batch)[0]))
    for scale in (0.0, 1.0, 1e4):
        scaled = batch._replace(**{first: scale * getattr(batch, first)})
        assert finite(gradient(started(model), scaled))


@every_loss
def test_the_loss_is_linear_in_the_weights(case):
    """So that pieces of a batch add up to it, and batches are right on average, whatever weights they have."""
    model, batch = case.build(), case.batch(KEY, (N,))
    loss = jax.jit(lambda weight: model.loss(KEY, started(model), batch._replace(weight=weight))[0])
    np.testing.assert_allclose(loss(jnp.ones(N)), loss(None), rtol=1e-4)
    coupled = case.name.startswith("matching-")  # by the weights themselves, up to their scale
    for part in (0.25 * batch.weight, *([] if coupled else [batch.weight.at[::2].set(0.0), 2 - 3 * batch.weight])):
        assert abs(loss(part) + loss(batch.weight - part) - loss(batch.weight)) < 1e-4 * loss(jnp.abs(part) + 1)
    assert not np.allclose(loss(batch.weight.at[0].set(0.0)), loss(batch.weight), rtol=1e-6)


@every_loss
def test_loss_takes_groups_of_events(case):
    model = case.build()
    value, _ = jax.eval_shape(model.loss, KEY, started(model), case.batch(KEY, (2, 3)))
    assert value.shape == ()


@every_loss
def test_a_missing_condition_is_an_error(case):
    model = case.build()
    with pytest.raises(ValueError, match="conditions"):
        jax.eval_shape(model.loss, KEY, started(model), case.batch(KEY, (N,))._replace(cond=None))
