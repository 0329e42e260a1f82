"""Operations of a traced function, counted by the units of a processor that they occupy.

Matrix products count multiplications and additions; functions such as exp, and random words, count what they make. The
other element-wise operations are not counted: fused into their neighbours, a floor has them for nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
from jax.extend import core

TRANSCENDENTAL = {"exp", "log", "log1p", "expm1", "tanh", "logistic", "erf", "erf_inv", "sin", "cos", "pow", "rsqrt"}


def count(function: Any, *arguments: Any) -> Counter[str]:
    """Operations of one call: `flops` of matrix products, `transcendental` results, `random` words of 32 bits."""
    return _count(jax.make_jaxpr(function)(*arguments).jaxpr)


def _count(jaxpr: core.Jaxpr) -> Counter[str]:
    found: Counter[str] = Counter()
    for equation in jaxpr.eqns:
        name, times = equation.primitive.name, equation.params.get("length", 1)
        for inner in _inner(equation.params):
            for kind, number in _count(inner).items():
                found[kind] += times * number
        if name == "dot_general":
            found["flops"] += _products(equation)
        elif name == "conv_general_dilated":
            kernel, out = _shape(equation.invars[1]), _shape(equation.outvars[0])
            feature = equation.params["dimension_numbers"].rhs_spec[0]
            found["flops"] += 2 * math.prod(out) * math.prod(kernel) // kernel[feature]
        elif name in ("random_bits", "threefry2x32"):
            found["random"] += sum(math.prod(_shape(out)) for out in equation.outvars)
        elif name in TRANSCENDENTAL:
            found["transcendental"] += math.prod(_shape(equation.outvars[0]))
    return found


def _products(equation: core.JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = _shape(equation.invars[0])
    return 2 * math.prod(_shape(equation.outvars[0])) * math.prod(shape[axis] for axis in contracted)


def _shape(variable: Any) -> tuple[int, ...]:
    return variable.aval.shape


def _inner(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    """Programs inside of an equation: of loops, calls and branches, of which the last one counts."""
    for value in params.values():
        value = value[-1] if isinstance(value, tuple) and value else value
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value
