"""Folders of exported models: a state as a program that JAX runs anywhere, and the record of its arrays."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from pathlib import Path
from typing import Any

import jax
from jax import export

from hepjax import report, runs
from hepjax.export.exportable import KEY, Exportable, Field
from hepjax.export.models import MODELS, Model
from hepjax.files import atomic_write
from hepjax.training import checkpoint, spec
from hepjax.types import InputError, State

FILE, RECORD, LOADER = "model.bin", "record.json", "load.py"
BATCH = "b"
PLATFORMS = ("cpu", "cuda")


def read(folder: Path) -> State:
    """The fitted state of a run folder, whichever its pipeline.

    Raises InputError where there is none, or that of a pipeline whose models are no functions of events.
    """
    path = folder / runs.CHECKPOINT
    return _model(checkpoint.read_spec(path), path).pipeline.load(path)


def write(folder: Path, state: State) -> None:
    """Export a fitted state to a folder that exists: model.bin, record.json and load.py.

    model.bin is a `jax.export` artefact for CPU and CUDA, parameters and preprocessing included, of any number of
    events: inputs and outputs in the order of the record, their first axis that of the events. Raises InputError for a
    state that is no function of events, such as that of Profile OmniFold.
    """
    model = _model(state.spec, "state").exportable(state)
    exported = program(model, state)
    with atomic_write(folder / FILE) as temporary:
        temporary.write_bytes(exported.serialize())
    report.write_json(folder / RECORD, _record(state, model, exported))
    with atomic_write(folder / LOADER) as temporary:
        shutil.copyfile(Path(__file__).with_name("loader.py"), temporary)


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


def _model(kind: Any, where: Path | str) -> Model:
    """The model of a specification."""
    if type(kind) not in MODELS:
        names = sorted({model.pipeline.__name__.split(".")[-1] for model in MODELS.values()})
        raise InputError(f"{where}: holds another model, expected one of {', '.join(names)}")
    return MODELS[type(kind)]


def _record(state: State, model: Exportable, exported: export.Exported) -> dict[str, Any]:
    return {
        "does": model.does,
        "file": FILE,
        "inputs": [_array(*pair) for pair in zip(model.inputs, exported.in_avals, strict=True)],
        "outputs": [_array(*pair) for pair in zip(model.outputs, exported.out_avals, strict=True)],
        "transforms": list(model.transforms),
        "noise": "from the inputs key and row" if model.random else "none",
        "batch": f"{BATCH}, the number of events, is any above zero",
        "platforms": list(exported.platforms),
        "calling_convention": exported.calling_convention_version,
        "spec": spec.encode(state.spec),
        "provenance": runs.provenance(),
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
