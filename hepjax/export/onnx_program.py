"""A trained model as an ONNX graph: loops unrolled, and its noise an input."""

from __future__ import annotations

import math
import types
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float, Int

from hepjax.draws import LAWS
from hepjax.export.graph import OPSET, Graph, Value
from hepjax.export.operators import emit
from hepjax.export.walk import Unknown, law_of, walk
from hepjax.pipelines.exportable import BATCH, KEY, Exportable, Field, Program
from hepjax.types import PRNGKey, State


def convert(model: Exportable, state: State) -> Program:
    """A model whose inputs are the noise of each law that it draws from, then the arrays of the events.

    Raises InputError without the package onnx, and for a model that does not consist of a fixed number of steps.
    """
    graph, program, drawn = Graph(), _traced(model, state), dict.fromkeys(LAWS, 0)

    def step(equation, inputs):
        law = law_of(equation)
        if law:
            aval = equation.outvars[0].aval
            start, drawn[law] = drawn[law], drawn[law] + math.prod(aval.shape)
            return [graph.columns(law, start, aval.shape, aval.dtype)]
        if any(isinstance(value, Unknown) and not isinstance(value, Value) for value in inputs):
            return _unknown(equation)  # made from the key
        return emit(graph, equation, inputs)

    fields = _arrays(model)
    keys, arrays = _split(program, len(fields))
    values = [graph.input(field.name, aval.shape, aval.dtype) for field, aval in zip(fields, arrays, strict=True)]
    outputs = walk(program, [*(Unknown(aval.shape, aval.dtype) for aval in keys), *values], step)
    if any(type(value) is Unknown for value in outputs):
        raise TypeError("the model draws noise by other functions than those of hepjax.draws")
    laws = [Field(law, "", f"{LAWS[law]}, others for every event", (n,)) for law, n in drawn.items() if n]
    graph.inputs[:0] = [Value(field.name, field.shape, jnp.zeros(()).dtype) for field in laws]
    # No two values of a graph may share a name.
    taken = {field.name for field in fields}
    named = [field._replace(name=field.name + "_out" * (field.name in taken)) for field in model.outputs]
    results = [graph.full(value) for value in outputs]
    made = graph.model([field.name for field in named], results)
    return Program(
        made.SerializeToString(),
        list(zip([*laws, *fields], map(_of_events, graph.inputs), strict=True)),
        list(zip(named, map(_of_events, results), strict=True)),
        f"from the inputs {', '.join(field.name for field in laws)}" if laws else "none",
        {"opset": OPSET, "operators": sorted({node.op_type for node in made.graph.node})},
    )


def noise(
    model: Exportable, state: State, key: PRNGKey, rows: Int[Array, " n"]
) -> dict[str, Float[Array, "n numbers"]]:
    """The numbers that the live model draws for the events of these rows: the inputs of `convert`'s model."""
    program = _traced(model, state)
    arrays = [Unknown(aval.shape, aval.dtype) for aval in _split(program, len(_arrays(model)))[1]]

    def of_event(row):
        drawn: dict[str, list[Array]] = {law: [] for law in LAWS}

        def step(equation, inputs):
            law = law_of(equation)
            if law:
                drawn[law].append(core.jaxpr_as_fun(equation.params["jaxpr"])(*inputs)[0].reshape(-1))
            return _unknown(equation)

        walk(program, [key, row, *arrays], step)
        return {law: jnp.concatenate(numbers) for law, numbers in drawn.items() if numbers}

    return jax.vmap(of_event)(rows) if model.random else {}


def _traced(model: Exportable, state: State) -> core.ClosedJaxpr:
    """The model's program of one event; its inputs are those of `model.function`."""

    def like(field):
        if field == KEY:
            return jax.eval_shape(jax.random.key, 0)
        return jax.ShapeDtypeStruct(field.shape, jnp.dtype(field.dtype or float))

    return jax.make_jaxpr(lambda *arrays: model.function(state, *arrays))(*map(like, model.inputs))


def _of_events(value: Value) -> Any:
    """Shape and dtype of a value with all events."""
    return types.SimpleNamespace(shape=(BATCH, *value.shape), dtype=value.dtype)


def _arrays(model: Exportable) -> list[Field]:
    """The inputs that are not key and row."""
    return list(model.inputs[2 * model.random :])


def _split(program: core.ClosedJaxpr, arrays: int) -> tuple[list[Any], list[Any]]:
    """What goes into a program: key and row where it is random, and the events' arrays."""
    keys = len(program.in_avals) - arrays
    return program.in_avals[:keys], program.in_avals[keys:]


def _unknown(equation: Any) -> list[Unknown]:
    return [Unknown(variable.aval.shape, variable.aval.dtype) for variable in equation.outvars]
