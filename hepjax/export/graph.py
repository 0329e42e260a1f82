"""An ONNX graph in the making. Every value in it has the events as its first axis; its shape here is that of one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from hepjax.export.walk import Unknown
from hepjax.pipelines.exportable import BATCH
from hepjax.types import InputError

OPSET, IR_VERSION = 17, 8
"""Of the default domain: what onnxruntime runs from 1.12 on."""


def package() -> Any:
    """The package onnx; raises InputError without it."""
    try:
        import onnx
    except ImportError as error:
        raise InputError("format onnx needs the package onnx: pip install 'hepjax[onnx]'") from error
    return onnx


MOST_NODES = 100_000
"""More would take onnxruntime minutes to load."""


def stored(dtype: Any) -> np.dtype:
    """The type of a value: few operators of onnxruntime take uint32, in which JAX counts the places of a search."""
    return np.dtype(np.int64 if dtype == np.uint32 else dtype)


class Value(Unknown):
    """A value of the graph by its name. reshaped: the value that it has the numbers of, in another shape."""

    def __init__(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        super().__init__(tuple(shape), stored(dtype))
        self.name = name
        self.reshaped: Value | None = None


class Graph:
    """Nodes and constants so far."""

    def __init__(self) -> None:
        self.onnx = package()
        self.nodes: list[Any] = []
        self.inputs: list[Value] = []
        self._constants: dict[tuple[Any, ...], Any] = {}
        self._batch: str | None = None

    def input(self, name: str, shape: tuple[int, ...], dtype: Any) -> Value:
        """A new input."""
        self.inputs.append(Value(name, shape, dtype))
        return self.inputs[-1]

    def add(self, operator: str, inputs: Sequence[Any], shape: tuple[int, ...], dtype: Any, **attributes: Any) -> Value:
        """The result of an operator. inputs: values, or arrays, which become constants."""
        if len(self.nodes) == MOST_NODES:
            advice = "fewer steps of a bridge, a flow that samples in one pass, or format jax"
            raise InputError(f"state: has over {MOST_NODES} steps in ONNX, expected {advice}")
        names = [value.name if isinstance(value, Value) else self._constant(value) for value in inputs]
        value = Value(f"v{len(self.nodes)}", shape, dtype)
        self.nodes.append(self.onnx.helper.make_node(operator, names, [value.name], **attributes))
        return value

    def cast(self, value: Value, dtype: Any) -> Value:
        """The same numbers in another type."""
        if value.dtype == stored(dtype):
            return value
        return self.add("Cast", [value], value.shape, dtype, to=self._kind(dtype))

    def reshape(self, value: Value, shape: tuple[int, ...]) -> Value:
        """The numbers of every event in another shape."""
        value = value.reshaped or value  # one step for several in a row
        if value.shape == tuple(shape):
            return value
        made = self.add("Reshape", [value, np.array([0, *shape], np.int64)], shape, value.dtype)
        made.reshaped = value
        return made

    def columns(self, name: str, start: int, shape: tuple[int, ...], dtype: Any) -> Value:
        """Columns from `start` on of an input that is a table, in a shape."""
        ends = [np.array([end], np.int64) for end in (start, start + math.prod(shape))]
        table = Value(name, (), dtype)
        flat = self.add("Slice", [table, *ends, np.ones(1, np.int64)], (math.prod(shape),), dtype)
        return self.reshape(flat, shape)

    def full(self, value: Any) -> Value:
        """A value of the graph: an array is repeated for every event."""
        if isinstance(value, Value):
            return value
        array = np.asarray(value)
        sizes = self.add("Concat", [self._events(), np.array(array.shape, np.int64)], (), np.int64, axis=0)
        return self.add("Expand", [array[None], sizes], array.shape, array.dtype)

    def model(self, names: Sequence[str], outputs: Sequence[Value]) -> Any:
        """The model proto, checked: what no output needs is left out."""
        helper = self.onnx.helper
        pairs = list(zip(names, outputs, strict=True))
        nodes = [helper.make_node("Identity", [value.name], [name]) for name, value in pairs]
        needed = {value.name for value in outputs}
        for node in reversed(self.nodes):
            if node.output[0] in needed:
                needed.update(node.input)
                nodes.append(node)
        graph = helper.make_graph(
            nodes[::-1],
            "hepjax",
            [self._described(value.name, value) for value in self.inputs],
            [self._described(name, value) for name, value in pairs],
            [tensor for tensor in self._constants.values() if tensor.name in needed],
        )
        opset = helper.make_opsetid("", OPSET)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION, producer_name="hepjax")
        self.onnx.checker.check_model(model, full_check=True)
        return model

    def _constant(self, value: Any) -> str:
        """The name of a constant; the same numbers are kept once."""
        array = np.ascontiguousarray(value, stored(value.dtype)).reshape(value.shape)
        content = (array.shape, str(array.dtype), array.tobytes())
        if content not in self._constants:
            name = f"c{len(self._constants)}"
            self._constants[content] = self.onnx.numpy_helper.from_array(array, name)
        return self._constants[content].name

    def _events(self) -> Value:
        """The number of events."""
        if self._batch is None:
            self._batch = self.add("Shape", [self.inputs[0]], (), np.int64, start=0, end=1).name
        return Value(self._batch, (), np.int64)

    def _described(self, name: str, value: Value) -> Any:
        return self.onnx.helper.make_tensor_value_info(name, self._kind(value.dtype), [BATCH, *value.shape])

    def _kind(self, dtype: Any) -> int:
        """ONNX's number of a type."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(stored(dtype))
