"""What every step of a traced program becomes in ONNX: a table from JAX's primitives to rules.

A rule is (graph, equation, inputs) -> value; inputs are values of the graph, or arrays, one of them a value at least.
All operators are of ONNX's default domain. Functions that it lacks are written in those that it has, in JAX.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hepjax.export import functions, layout
from hepjax.export.graph import Graph, Value
from hepjax.export.layout import aval_of
from hepjax.export.walk import inlined
from hepjax.types import InputError

Rule = Callable[[Graph, Any, Sequence[Any]], Any]


def emit(graph: Graph, equation: Any, inputs: Sequence[Any]) -> list[Any]:
    """The outputs of a step. Raises InputError where it has no rule, or is in a type that ONNX does not run."""
    name = equation.primitive.name
    if name not in RULES:
        raise InputError(f"state: its step {name} has no form in ONNX, expected a model of fixed steps, or format jax")
    if any(variable.aval.dtype == jnp.bfloat16 for variable in equation.outvars):
        raise InputError("state: its net is in bfloat16, expected float32, or format jax")
    if not any(variable.aval.size for variable in equation.outvars):
        return [np.zeros(variable.aval.shape, variable.aval.dtype) for variable in equation.outvars]
    output = RULES[name](graph, equation, inputs)
    return output if isinstance(output, list) else [output]


def _elementwise(operator: str, **attributes: Any) -> Rule:
    def rule(graph, equation, inputs):
        aval = aval_of(equation)
        return _apply(graph, operator, inputs, aval.shape, aval.dtype, **attributes)

    return rule


def _apply(graph: Graph, operator: str, inputs: Sequence[Any], shape: tuple[int, ...], dtype: Any, **attributes: Any):
    """An operator that repeats its smaller inputs."""
    whole = any(isinstance(value, Value) and value.shape == shape for value in inputs)

    def fitting(value):
        if isinstance(value, Value):
            return graph.reshape(value, (*[1] * (len(shape) - len(value.shape)), *value.shape))
        array = np.asarray(value)
        alike = whole and array.size and (array == array.flat[0]).all()
        return array.flat[0] if alike else array

    return graph.add(operator, [fitting(value) for value in inputs], shape, dtype, **attributes)


def _in_place_of(function: Callable[..., Any]) -> Rule:
    """A function in JAX of the step's inputs and parameters that does the same."""

    def rule(graph, equation, inputs):
        kept = {name: value for name, value in equation.params.items() if name != "accuracy"}
        step = lambda inner, values: emit(graph, inner, values)  # noqa: E731
        return inlined(lambda *values: function(*values, **kept), inputs, step)

    return rule


def _same(graph, equation, inputs):
    return inputs[0]


def _select(graph, equation, inputs):
    (which, *cases), aval = inputs, aval_of(equation)
    if len(cases) != 2:
        raise InputError("state: it chooses among more than two, which has no form in ONNX, expected format jax")
    if aval.dtype != bool:
        return _apply(graph, "Where", [which, *cases[::-1]], aval.shape, aval.dtype)
    # Where takes numbers only.
    numbers = [graph.cast(graph.full(case), np.int32) for case in cases[::-1]]
    return graph.cast(_apply(graph, "Where", [which, *numbers], aval.shape, np.int32), bool)


def _unequal(graph, equation, inputs):
    shape = aval_of(equation).shape
    return graph.add("Not", [_apply(graph, "Equal", inputs, shape, bool)], shape, bool)


def _power(graph, equation, inputs):
    """Of floats to integer powers that are parameters."""
    (x,), power = inputs, equation.params["y"]
    if power == 2:
        return graph.add("Mul", [x, x], x.shape, x.dtype)
    return graph.add("Pow", [x, np.array(power, x.dtype)], x.shape, x.dtype)


def _square(graph, equation, inputs):
    return graph.add("Mul", [inputs[0], inputs[0]], inputs[0].shape, inputs[0].dtype)


def _cast(graph, equation, inputs):
    return graph.cast(inputs[0], aval_of(equation).dtype)


def _round(graph, equation, inputs):
    if equation.params["rounding_method"] != jax.lax.RoundingMethod.TO_NEAREST_EVEN:
        raise InputError("state: it rounds halves away from zero, which has no form in ONNX, expected format jax")
    return graph.add("Round", inputs, inputs[0].shape, inputs[0].dtype)


def _sum(graph, equation, inputs):
    axes = np.array([axis + 1 for axis in equation.params["axes"]], np.int64)
    return graph.add("ReduceSum", [inputs[0], axes], aval_of(equation).shape, inputs[0].dtype, keepdims=0)


def _reduce(operator: str) -> Rule:
    def rule(graph, equation, inputs):
        axes = [axis + 1 for axis in equation.params["axes"]]
        return graph.add(operator, inputs, aval_of(equation).shape, inputs[0].dtype, axes=axes, keepdims=0)

    return rule


def _reduce_flags(operator: str) -> Rule:
    """All and any: least and greatest of the flags as numbers."""

    def rule(graph, equation, inputs):
        return graph.cast(_reduce(operator)(graph, equation, [graph.cast(inputs[0], np.int32)]), bool)

    return rule


def _place(operator: str) -> Rule:
    def rule(graph, equation, inputs):
        ((axis,), aval) = equation.params["axes"], aval_of(equation)
        return graph.cast(graph.add(operator, inputs, aval.shape, np.int64, axis=axis + 1, keepdims=0), aval.dtype)

    return rule


def _cumulative_sum(graph, equation, inputs):
    (x,), axis = inputs, np.array(equation.params["axis"] + 1, np.int64)
    return graph.add("CumSum", [x, axis], x.shape, x.dtype, reverse=int(equation.params["reverse"]))


ELEMENTWISE = {
    **{name: name.capitalize() for name in ("abs", "add", "ceil", "cos", "div", "erf", "exp", "floor", "log", "max")},
    **{name: name.capitalize() for name in ("min", "mul", "neg", "not", "pow", "sign", "sin", "sqrt", "sub", "tanh")},
    **{name: name.capitalize() for name in ("and", "or", "xor")},
    **{"eq": "Equal", "ge": "GreaterOrEqual", "gt": "Greater", "le": "LessOrEqual", "lt": "Less"},
    **{"le_to": "LessOrEqual", "lt_to": "Less", "logistic": "Sigmoid"},
}
"""Primitive -> operator that does the same; `_to` are comparisons in which NaN has a place."""

RULES: dict[str, Rule] = {
    **{name: _elementwise(operator) for name, operator in ELEMENTWISE.items()},
    **dict.fromkeys(("copy", "copy_p", "optimization_barrier", "stop_gradient"), _same),
    **dict.fromkeys(("reshape", "squeeze", "expand_dims"), layout.reshape),
    **dict.fromkeys(("scatter", "dynamic_update_slice"), layout.rearrange),
    "argmax": _place("ArgMax"),
    "argmin": _place("ArgMin"),
    "broadcast_in_dim": layout.broadcast,
    "clamp": _in_place_of(lambda low, x, high: jnp.minimum(jnp.maximum(x, low), high)),
    "concatenate": layout.concatenate,
    "convert_element_type": _cast,
    "cumprod": _in_place_of(functions.cumulative_product),
    "cumsum": _cumulative_sum,
    "dot_general": layout.product,
    "dynamic_slice": layout.dynamic_slice,
    "erfc": _in_place_of(functions.erfc),
    "expm1": _in_place_of(functions.expm1),
    "gather": layout.gather,
    "integer_pow": _power,
    "log1p": _in_place_of(functions.log1p),
    "ne": _unequal,
    "pad": layout.pad,
    "reduce_and": _reduce_flags("ReduceMin"),
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_or": _reduce_flags("ReduceMax"),
    "reduce_prod": _reduce("ReduceProd"),
    "reduce_sum": _sum,
    "rem": _elementwise("Mod", fmod=1),
    "rev": layout.reverse,
    "round": _round,
    "rsqrt": _in_place_of(lambda x: 1 / jnp.sqrt(x)),
    "select_n": _select,
    "slice": layout.slice_,
    "split": layout.split,
    "square": _square,
    "stack": layout.stack,
    "transpose": layout.transpose,
}
"""Primitive -> rule."""
