"""Folders of exported models: a state as a program that runs without hepjax, and the record of its arrays."""

from __future__ import annotations

import dataclasses
import functools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax import export
from jaxtyping import Array, Float, Int

from hepjax import report
from hepjax.export import onnx_program
from hepjax.files import atomic_write
from hepjax.pipelines import table
from hepjax.pipelines.exportable import BATCH, KEY, Exportable, Field, Program
from hepjax.pipelines.pipeline import Pipeline
from hepjax.provenance import provenance
from hepjax.training import checkpoint, spec
from hepjax.types import InputError, PRNGKey, State

RECORD = "record.json"
PLATFORMS = ("cpu", "cuda")


def read(folder: str | os.PathLike[str]) -> State:
    """The fitted state of a checkpoint, whichever its pipeline.

    Raises InputError where there is none, or that of a pipeline whose models are no functions of events.
    """
    return _pipeline(type(checkpoint.read_spec(folder)), folder).load(folder)


def write(folder: Path, state: State, form: str = "jax") -> None:
    """Export a fitted state to a folder that exists, in one of `FORMATS`: the model, record.json and a loader.

    jax: model.bin is a `jax.export` artefact for CPU and CUDA, and load.py loads it. onnx: model.onnx is a graph of
    operators of ONNX's default domain, with the model's noise among its inputs, and load_onnx.py loads it. Parameters
    and preprocessing are included, and the number of events is any: inputs and outputs come in the order of the record,
    their first axis that of the events. Raises InputError for a state that is no function of events, such as that of
    Profile OmniFold, and for one that has no form in ONNX.
    """
    kind, model = FORMATS[form], _exportable(state)
    made = kind.program(model, state)
    with atomic_write(folder / kind.file) as temporary:
        temporary.write_bytes(made.content)
    report.write_json(folder / RECORD, _record(state, model, kind.file, made))
    with atomic_write(folder / kind.loader) as temporary:
        shutil.copyfile(Path(__file__).with_name(kind.source), temporary)


def noise(state: State, key: PRNGKey, rows: Int[Array, " n"]) -> dict[str, Float[Array, "n numbers"]]:
    """What the live model draws for events with these rows: the noise that goes into its form in ONNX, by name."""
    return onnx_program.noise(_exportable(state), state, key, rows)


def program(model: Exportable, state: State) -> export.Exported:
    """A model for any number of events, lowered for all platforms and not yet written."""
    (events,) = export.symbolic_shape(BATCH)

    def function(*arrays):
        # Folded into the arithmetic, constants would change its rounding, and with it where searches end.
        constants = jax.tree.map(jax.lax.optimization_barrier, state.constants)
        one = functools.partial(model.function, state._replace(constants=constants))
        if not model.random:
            return jax.vmap(one)(*arrays)
        # Typed keys do not pass the boundary of an exported function.
        key = jax.random.wrap_key_data(arrays[0], impl="threefry2x32")
        return jax.vmap(one, (None, *(0,) * len(arrays[1:])))(key, *arrays[1:])

    def like(field: Field) -> jax.ShapeDtypeStruct:
        shape = field.shape if field == KEY else (events, *field.shape)
        return jax.ShapeDtypeStruct(shape, field.dtype or float)

    return export.export(jax.jit(function), platforms=PLATFORMS)(*map(like, model.inputs))


def _pipeline(kind: type, where: str | os.PathLike[str]) -> Pipeline:
    """The pipeline whose models, of this class of specification, are functions of events."""
    pipelines = table.pipelines()
    found = next((pipeline for pipeline in pipelines.values() if kind in pipeline.exportable), None)
    if found is None:
        names = ", ".join(sorted(name for name, pipeline in pipelines.items() if pipeline.exportable))
        raise InputError(f"{where}: holds another model, expected one of {names}")
    return found


def _exportable(state: State) -> Exportable:
    """The model of a state as a function of arrays."""
    kind = type(state.spec)
    return _pipeline(kind, "state").exportable[kind](state)


def _artefact(model: Exportable, state: State) -> Program:
    exported = program(model, state)
    return Program(
        bytes(exported.serialize()),
        list(zip(model.inputs, exported.in_avals, strict=True)),
        list(zip(model.outputs, exported.out_avals, strict=True)),
        "from the inputs key and row" if model.random else "none",
        {"platforms": list(exported.platforms), "calling_convention": exported.calling_convention_version},
    )


class Format(NamedTuple):
    """How a model is written: the program's maker, its file, its loader, and the loader's file here."""

    program: Callable[[Exportable, State], Program]
    file: str
    loader: str
    source: str


FORMATS = {
    "jax": Format(_artefact, "model.bin", "load.py", "loader.py"),
    "onnx": Format(onnx_program.convert, "model.onnx", "load_onnx.py", "onnx_loader.py"),
}


def _record(state: State, model: Exportable, file: str, made: Program) -> dict[str, Any]:
    return {
        "does": model.does,
        "file": file,
        "inputs": [_array(*pair) for pair in made.inputs],
        "outputs": [_array(*pair) for pair in made.outputs],
        "transforms": list(model.transforms),
        "noise": made.noise,
        "batch": f"{BATCH}, the number of events, is any above zero",
        **made.further,
        "spec": spec.encode(state.spec),
        "provenance": provenance(),
    }


def _array(field: Field, aval: Any) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else str(size) for size in aval.shape]
    described = {"name": field.name, "shape": shape, "dtype": str(aval.dtype), "unit": field.unit}
    described["meaning"] = field.meaning
    if field.columns:
        described["columns"] = [dataclasses.asdict(column) for column in field.columns]
    if field.limits:
        described["limits"] = list(field.limits)
    return described
