"""The student learns to be the teacher, and the teacher stays as it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import flows
from hepjax.training import Config, Encode, fit
from hepjax.types import Events

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
SHAPE = {"depth": 2, "hidden": (16,), "dim_cond": 1}
TEACHER = flows.autoregressive_blocks(2, flows.affine(), **SHAPE)
STUDENT = flows.autoregressive_blocks(2, flows.affine(), inverse=True, **SHAPE)


@pytest.fixture(scope="module")
def teacher():
    """A teacher's parameters away from their start, and events that it generates."""
    rng = np.random.default_rng(0)
    params = jax.jit(flows.chain(*TEACHER).init)(KEY)
    params = jax.tree.map(lambda a: a + jnp.asarray(rng.normal(0, 0.2, a.shape), a.dtype), params)
    cond = jax.random.uniform(KEY, (2000, 1))
    flow = flows.transformed(flows.chain(*TEACHER), flows.normal(2))
    return params, Events(flow.sample(KEY, {"bijection": params, "base": {}}, cond), cond)


def test_the_inverse_itself_has_no_loss(teacher):
    """Teacher and student of the same blocks: the teacher's own parameters undo it."""
    params, data = teacher
    model = flows.distill(TEACHER, TEACHER, flows.normal(2))
    value, metrics = jax.jit(model.loss)(KEY, params, flows.Lesson(data, params, {}))
    assert value < 1e-9
    assert set(metrics) == {"z", "x"}


def test_a_student_learns(teacher):
    params, data = teacher
    model, lesson = flows.distill(TEACHER, STUDENT, flows.normal(2)), flows.Lesson(data, params, {})
    start = jax.jit(model.init)(KEY, lesson)
    config = Config(epochs=15, batch_size=200, learning_rate=1e-2, validation=0.0)
    student = fit(KEY, model, data, config, params=start, encode=Encode(flows.lesson, (params, {}))).params
    loss = jax.jit(lambda params: model.loss(jax.random.key(1), params, lesson)[0])
    assert loss(student) < 0.05 * loss(start)

    def log_prob(blocks, params):
        flow = flows.transformed(flows.chain(*blocks), flows.normal(2))
        return jax.jit(flow.log_prob)({"bijection": params, "base": {}}, data.x, data.cond)

    miss = log_prob(STUDENT, student) - log_prob(TEACHER, params)
    assert abs(float(miss.mean())) < 0.05 and float(jnp.abs(miss).mean()) < 0.2


def test_weights_and_missing_conditions(teacher):
    """Events without weight in the loss do not count; without conditions, draws come in the shape of the batch."""
    blocks = flows.autoregressive_blocks(2, flows.affine(), depth=1, hidden=(8,))
    params = jax.jit(flows.chain(*blocks).init)(KEY)
    model = flows.distill(blocks, blocks, flows.normal(2))
    weighted, many = Events(jnp.ones((4, 2)), weight=jnp.zeros(4)), Events(jnp.ones((4, 3, 2)))
    assert jax.jit(model.loss)(KEY, params, flows.Lesson(weighted, params, {}))[0] == 0
    assert jax.eval_shape(model.loss, KEY, params, flows.Lesson(many, params, {}))[0].shape == ()


def test_a_program_holds_no_parameters_of_the_teacher(teacher):
    """Every teacher of these blocks has the same student, and so the same program."""
    params, data = teacher
    model = flows.distill(list(TEACHER), STUDENT, base=flows.normal(2))
    assert model is flows.distill(TEACHER, STUDENT, flows.normal(2))
    student = jax.eval_shape(model.init, KEY)
    constants = jax.make_jaxpr(model.loss)(KEY, student, flows.Lesson(data, params, {})).consts
    assert not any(np.array_equal(array, leaf) for array in constants for leaf in jax.tree.leaves(params))


def test_blocks_must_match(teacher):
    with pytest.raises(ValueError, match="as many blocks, got 2 and 1"):
        flows.distill(TEACHER, STUDENT[:1], flows.normal(2))
