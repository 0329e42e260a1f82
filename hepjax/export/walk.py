"""Traced programs step by step: calls opened, loops of a fixed length unrolled, constants folded, draws of noise found.

Both what a program becomes in another language and which noise it draws come from one walk, so that they agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from hepjax.draws import LAWS

DRAWS = {f"draw_{law}": law for law in LAWS}
"""Name of a compiled draw in a program -> its law."""


class Unknown:
    """A value that the walk does not know: what `emit` made of it, of one event."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype


Emit = Callable[[Any, Sequence[Any]], Sequence[Any]]


def walk(program: core.ClosedJaxpr, inputs: Sequence[Any], emit: Emit) -> list[Any]:
    """The outputs of a program.

    inputs: arrays, or `Unknown`. A step whose inputs are all arrays is computed. Any other step, and every draw, is
    given to emit, (equation, inputs) -> outputs.
    """
    known = dict(zip(program.jaxpr.constvars, program.consts, strict=True))
    known.update(zip(program.jaxpr.invars, inputs, strict=True))

    def read(atom):
        if isinstance(atom, core.Literal):
            return np.asarray(atom.val, atom.aval.dtype)  # type: ignore[attr-defined]
        return known[atom]

    for equation in program.jaxpr.eqns:
        outputs = _step(equation, [read(atom) for atom in equation.invars], emit)
        known.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in program.jaxpr.outvars]


def law_of(equation: Any) -> str | None:
    """The law that an equation draws from, None where it is no draw."""
    return DRAWS.get(equation.params.get("name", "")) if "jaxpr" in equation.params else None


def _step(equation: Any, inputs: list[Any], emit: Emit) -> Sequence[Any]:
    primitive, params = equation.primitive, equation.params
    if law_of(equation):
        return emit(equation, inputs)
    if primitive.name == "scan":
        return _unrolled(params, inputs, emit)
    if primitive.name == "cond" and not isinstance(inputs[0], Unknown):
        return walk(params["branches"][int(inputs[0])], inputs[1:], emit)
    inner = next((params[name] for name in ("jaxpr", "call_jaxpr") if name in params), None)
    if inner is not None:
        return walk(inner if isinstance(inner, core.ClosedJaxpr) else core.ClosedJaxpr(inner, ()), inputs, emit)
    if any(isinstance(value, Unknown) for value in inputs):
        return emit(equation, inputs)
    outputs = primitive.bind(*inputs, **params)
    return outputs if primitive.multiple_results else [outputs]


def _unrolled(params: Any, inputs: list[Any], emit: Emit) -> list[Any]:
    """The turns of a scan one after the other; what each leaves is stacked."""
    fixed, carried = params["num_consts"], params["num_consts"] + params["num_carry"]
    consts, carry, stacked = inputs[:fixed], inputs[fixed:carried], inputs[carried:]
    turns = range(params["length"])
    order = reversed(turns) if params["reverse"] else turns
    rows: list[Any] = [None] * params["length"]

    def entry(values, turn):
        return inlined(lambda x: jax.lax.index_in_dim(x, turn, keepdims=False), [values], emit)

    for turn in order:
        outputs = walk(params["jaxpr"], [*consts, *carry, *(entry(x, turn) for x in stacked)], emit)
        carry, rows[turn] = outputs[: params["num_carry"]], outputs[params["num_carry"] :]
    avals = params["jaxpr"].out_avals[params["num_carry"] :]
    if not rows:
        return [*carry, *(jnp.zeros((0, *aval.shape), aval.dtype) for aval in avals)]
    return [*carry, *(inlined(lambda *xs: jnp.stack(xs), column, emit) for column in zip(*rows, strict=True))]


def inlined(function: Callable[..., Any], inputs: Sequence[Any], emit: Emit) -> Any:
    """What a JAX function makes of arrays and unknown values."""
    if not any(isinstance(value, Unknown) for value in inputs):
        return function(*inputs)
    like = [jax.ShapeDtypeStruct(jnp.shape(value), jax.dtypes.result_type(value)) for value in inputs]
    return walk(jax.make_jaxpr(function)(*like), inputs, emit)[0]
