"""Rules for ONNX that move numbers about and contract them; see `operators`, whose table has them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from hepjax.export.graph import Graph, Value
from hepjax.types import InputError


def aval_of(equation: Any) -> Any:
    """Shape and dtype of what a step of one output gives."""
    return equation.outvars[0].aval


def reshape(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    """Also squeeze and expand_dims."""
    return graph.reshape(inputs[0], aval_of(equation).shape)


def broadcast(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    """To more and longer axes."""
    shape, axes = aval_of(equation).shape, equation.params["broadcast_dimensions"]
    lined_up = [1] * len(shape)
    for axis, size in zip(axes, inputs[0].shape, strict=True):
        lined_up[axis] = size
    value = graph.reshape(inputs[0], tuple(lined_up))
    if value.shape == shape:
        return value
    return graph.add("Expand", [value, np.array([1, *shape], np.int64)], shape, value.dtype)


def transpose(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    return permuted(graph, inputs[0], equation.params["permutation"])


def permuted(graph: Graph, value: Value, order: Sequence[int]) -> Value:
    """The axes of every event in another order."""
    shape, moved = tuple(value.shape[axis] for axis in order), [axis for axis in order if value.shape[axis] > 1]
    if moved == sorted(moved):
        return graph.reshape(value, shape)
    return graph.add("Transpose", [value], shape, value.dtype, perm=[0, *(axis + 1 for axis in order)])


def concatenate(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    axis = equation.params["dimension"]
    parts = [graph.full(part) for part in inputs if part.shape[axis]]
    return graph.add("Concat", parts, aval_of(equation).shape, parts[0].dtype, axis=axis + 1)


def stack(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    shape, axis = aval_of(equation).shape, equation.params["axis"]
    rows = [graph.reshape(graph.full(row), (*shape[:axis], 1, *shape[axis + 1 :])) for row in inputs]
    return graph.add("Concat", rows, shape, rows[0].dtype, axis=axis + 1)


def slice_(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    params = equation.params
    ends, steps = params["limit_indices"], params["strides"] or [1] * len(params["limit_indices"])
    return _sliced(graph, inputs[0], aval_of(equation).shape, params["start_indices"], ends, steps)


def reverse(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    value, axes = inputs[0], equation.params["dimensions"]
    steps = [-1 if axis in axes else 1 for axis in range(len(value.shape))]
    starts = [size - 1 if step < 0 else 0 for size, step in zip(value.shape, steps, strict=True)]
    ends = [np.iinfo(np.int64).min if step < 0 else size for size, step in zip(value.shape, steps, strict=True)]
    return _sliced(graph, value, value.shape, starts, ends, steps)


def split(graph: Graph, equation: Any, inputs: Sequence[Any]) -> list[Value]:
    (value,), axis = inputs, equation.params["axis"]
    stops = np.cumsum(equation.params["sizes"])
    parts = []
    for variable, stop in zip(equation.outvars, stops, strict=True):
        shape = variable.aval.shape
        if not variable.aval.size:
            parts.append(np.zeros(shape, value.dtype))
            continue
        starts, ends = [0] * len(shape), list(value.shape)
        starts[axis], ends[axis] = stop - shape[axis], stop
        parts.append(_sliced(graph, value, shape, starts, ends, [1] * len(shape)))
    return parts


def pad(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    value, filling = inputs
    config = equation.params["padding_config"]
    if isinstance(filling, Value) or any(low < 0 or high < 0 or inner for low, high, inner in config):
        raise InputError("state: it pads by other than constants at the ends, expected format jax")
    sizes = np.array([0, *(low for low, _, _ in config), 0, *(high for _, high, _ in config)], np.int64)
    return graph.add("Pad", [graph.full(value), sizes, np.asarray(filling)], aval_of(equation).shape, value.dtype)


def rearrange(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    """Slices, look-ups and replacements at places that are known: the step done on the numbers' own places."""
    # What is moved, among arguments that say where from or where to.
    moved = {"scatter": (0, 2), "dynamic_update_slice": (0, 1)}.get(equation.primitive.name, (0,))
    arguments, start = list(inputs), 0
    for k in moved:
        size = math.prod(inputs[k].shape)
        arguments[k] = np.arange(start, start + size, dtype=np.int32).reshape(inputs[k].shape)
        start += size
    if any(isinstance(argument, Value) for argument in arguments):
        raise InputError("state: it replaces at computed places, which has no form in ONNX, expected format jax")
    found = np.asarray(equation.primitive.bind(*arguments, **equation.params), np.int64)
    flat = [graph.reshape(graph.full(inputs[k]), (math.prod(inputs[k].shape),)) for k in moved]
    joined = flat[0] if len(flat) == 1 else graph.add("Concat", flat, (start,), flat[0].dtype, axis=1)
    taken = graph.add("Gather", [joined, found.reshape(-1)], (found.size,), joined.dtype, axis=1)
    return graph.reshape(taken, found.shape)


def dynamic_slice(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    """One entry along some axes, at a computed place, and all along the others."""
    operand, *starts = inputs
    if not any(isinstance(start, Value) for start in starts):
        return rearrange(graph, equation, inputs)
    sizes = equation.params["slice_sizes"]
    indexed = [axis for axis, size in enumerate(operand.shape) if sizes[axis] < size]
    columns = [graph.reshape(graph.full(starts[axis]), (1,)) for axis in indexed]
    places = graph.add("Concat", columns, (len(indexed),), columns[0].dtype, axis=1)
    _require_entries(sizes, indexed)
    return _looked_up(graph, operand, indexed, places, aval_of(equation).shape, clip=True)


def gather(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    """One entry along some axes, at computed places, and all along the others."""
    operand, places = inputs
    if not isinstance(places, Value):
        return rearrange(graph, equation, inputs)
    places = places if places.dtype.kind == "i" else graph.cast(places, np.int64)
    params, shape = equation.params, aval_of(equation).shape
    numbers, columns = params["dimension_numbers"], [places]
    for axis in numbers.start_indices_batching_dims:
        along = np.indices((*places.shape[:-1], 1), places.dtype)[axis]
        columns.insert(-1, graph.full(along))
    indexed = [int(axis) for axis in (*numbers.operand_batching_dims, *numbers.start_index_map)]
    _require_entries(params["slice_sizes"], indexed)
    if len(columns) > 1:
        places = graph.add("Concat", columns, (*places.shape[:-1], len(indexed)), places.dtype, axis=len(places.shape))
    offsets = [axis for axis in numbers.offset_dims if shape[axis] > 1]
    others = [axis for axis in range(len(shape)) if axis not in numbers.offset_dims and shape[axis] > 1]
    if offsets and others and max(others) > min(offsets):
        raise InputError("state: a look-up of another order has no form in ONNX, expected format jax")
    clip = params["mode"] == jax.lax.GatherScatterMode.CLIP
    return _looked_up(graph, operand, indexed, places, shape, clip)


def _looked_up(
    graph: Graph, operand: Any, indexed: list[int], places: Value, shape: tuple[int, ...], clip: bool
) -> Value:
    """Entries of the axes `indexed` at places (..., indexed), as an array of `shape`."""
    if clip:
        last = np.array([operand.shape[axis] - 1 for axis in indexed], places.dtype)
        places = graph.add("Max", [places, np.zeros_like(last)], places.shape, places.dtype)
        places = graph.add("Min", [places, last], places.shape, places.dtype)
    whole = _others(len(operand.shape), indexed)
    order, found = [*indexed, *whole], (*places.shape[:-1], *(operand.shape[axis] for axis in whole))
    batched = isinstance(operand, Value)
    operand = _arranged(graph, operand, order, [operand.shape[axis] for axis in order])
    if not batched and len(indexed) == 1:
        places = graph.reshape(places, places.shape[:-1])
        return graph.reshape(graph.add("Gather", [operand, places], found, operand.dtype, axis=0), shape)
    places = graph.cast(places, np.int64)
    return graph.reshape(graph.add("GatherND", [operand, places], found, operand.dtype, batch_dims=int(batched)), shape)


def product(graph: Graph, equation: Any, inputs: Sequence[Any]) -> Value:
    """A contraction of two tensors as a product of matrices, an array on its right."""
    contract, batch = equation.params["dimension_numbers"]
    swapped = not isinstance(inputs[0], Value)
    sides = list(zip(inputs, contract, batch, strict=True))
    (a, contract_a, batch_a), (b, contract_b, batch_b) = sides[::-1] if swapped else sides
    free_a, free_b = (_others(len(x.shape), *axes) for x, *axes in ((a, contract_a, batch_a), (b, contract_b, batch_b)))
    common = tuple(a.shape[axis] for axis in batch_a)
    rows, columns = ([x.shape[axis] for axis in axes] for x, axes in ((a, free_a), (b, free_b)))
    inner = math.prod(a.shape[axis] for axis in contract_a)
    # Without axes of its own an event is one row of a matrix of all events.
    own = [math.prod(rows)] if math.prod(rows) > 1 or common or isinstance(b, Value) else []
    a = _arranged(graph, a, [*batch_a, *free_a, *contract_a], (*common, *own, inner))
    b = _arranged(graph, b, [*batch_b, *contract_b, *free_b], (*common, inner, math.prod(columns)))
    found = graph.add("MatMul", [a, b], (*a.shape[:-1], b.shape[-1]), aval_of(equation).dtype)
    found = graph.reshape(found, (*common, *rows, *columns))
    if swapped:
        n, middle = len(common), len(common) + len(rows)
        found = permuted(graph, found, [*range(n), *range(middle, len(found.shape)), *range(n, middle)])
    return found


def _require_entries(sizes: Sequence[int], indexed: list[int]) -> None:
    if any(sizes[axis] != 1 for axis in indexed):
        raise InputError("state: it looks up pieces at computed places, which has no form in ONNX, expected format jax")


def _arranged(graph: Graph, x: Any, order: Sequence[int], shape: Sequence[int]) -> Any:
    """A value or an array with its axes in another order, in a shape."""
    if isinstance(x, Value):
        return graph.reshape(permuted(graph, x, order), tuple(shape))
    return np.transpose(x, order).reshape(shape)


def _others(rank: int, *taken: Sequence[int]) -> list[int]:
    return [axis for axis in range(rank) if not any(axis in axes for axes in taken)]


def _sliced(graph, value, shape, starts, ends, steps) -> Value:
    """Slices along the axes that are cut."""
    whole = zip(value.shape, starts, ends, steps, strict=True)
    axes = [k for k, (size, start, end, step) in enumerate(whole) if (start, end, step) != (0, size, 1)]
    if not axes:
        return value
    chosen = [np.array([of[k] for k in axes], np.int64) for of in (starts, ends)]
    places = np.array([k + 1 for k in axes], np.int64)
    strides = np.array([steps[k] for k in axes], np.int64)
    return graph.add("Slice", [value, *chosen, places, strides], shape, value.dtype)
