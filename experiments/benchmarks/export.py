"""Exported models as an experiment's framework runs them: one event a call, one thread, without hepjax.

    .venv/bin/python experiments/benchmarks/export.py

Needs the extras `bench` and `onnx`, and some fifteen minutes on 2 cores. Every kind of model in its default size and
with its default steps, fitted to the embedded samples for one epoch: how long a call takes does not depend on what was
learned. Each is exported, and a process of its own loads it with JAX alone (`export_latency.py`), on one core and with
one thread. A call begins and ends with arrays of NumPy. Models of a fixed number of steps are exported to ONNX as well,
and another process runs that with onnxruntime alone, given the noise that the live model draws: `onnx` has the same
numbers of it.

`difference` is the largest one of an output between the exported and the live model, in units of its largest number;
`live_in_halves` the same between the live model and itself on half of the events, which is what rounding in float32 is
worth there: a likelihood's maximum and the ends of its interval are searched for until rounding hides them.

Results with versions and date: `experiments/benchmarks/results/export.json`, of all models by `--formats jax`, and
`export_onnx.json`, of both formats, by

    .venv/bin/python experiments/benchmarks/export.py --calls 200 \\
        --out experiments/benchmarks/results/export_onnx.json \\
        --only squirels caloflow_student caloflow_coupling unfold_cinn unfold_omnifold
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import bridge_training as bench
import jax
import numpy as np
import tyro

from hepjax import data, export, report
from hepjax.data import samples
from hepjax.pipelines import anomaly, calibration, caloflow, omnifold, squirels, unfolding
from hepjax.pipelines.anomaly import model as anomaly_model
from hepjax.pipelines.caloflow import model as caloflow_model
from hepjax.pipelines.unfolding.config import Method
from hepjax.provenance import provenance
from hepjax.training import Config as Training
from hepjax.types import InputError, Measured, State

KEY = jax.random.key(0)
TRAIN, EVENTS = 1000, 100
ONE_THREAD = {
    "NPROC": "1",
    "OMP_NUM_THREADS": "1",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "export.json"
    """File of the results."""
    calls: int = 300
    """Calls that are timed, after the first one."""
    only: tuple[str, ...] = ()
    """Models to run alone."""
    formats: tuple[str, ...] = ("jax", "onnx")
    """Formats to run; onnx for models that have it."""


class Case(NamedTuple):
    """A model, the arrays of some events that its exported function takes beside the noise, and the live numbers.

    live: number of events, counted from the first -> outputs by name.
    """

    state: State
    events: Mapping[str, Any]
    live: Callable[[int], Mapping[str, Any]]


def main(options: Options) -> None:
    """Fit, export and time all models, write and print the results."""
    jax.config.update("jax_platforms", "cpu")
    load = os.getloadavg()[0]
    results = {}
    for name in options.only or CASES:
        results[name] = measure(CASES[name](), options)
        for form in options.formats:
            row = results[name] if form == "jax" else results[name][form]
            print(f"{name}, {form}: {summary(row)}", flush=True)
    made = provenance() | {"cpu": bench.cpu_model(), "load_before": load}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, {"batch_size": 1, "threads": 1, "models": results, "provenance": made})


def measure(case: Case, options: Options) -> dict[str, Any]:
    """The formats of a model beside the live one; what other formats than jax's give is below their names."""
    whole, half = case.live(EVENTS), case.live(EVENTS // 2)
    measured: dict[str, Any] = {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(case.state.params)),
        "live_in_halves": {name: difference(half[name], whole[name][: EVENTS // 2]) for name in whole},
    }
    if "jax" in options.formats:
        noise = {"key": np.asarray(jax.random.key_data(KEY)), "row": np.arange(EVENTS, dtype=np.int32)}
        measured |= exported(case, "jax", noise, whole, options.calls)
    if "onnx" in options.formats:
        try:
            measured["onnx"] = exported(case, "onnx", None, whole, options.calls)
        except InputError as error:
            measured["onnx"] = {"refused": str(error)}
    return measured


def exported(case: Case, form: str, noise: Any, whole: Mapping[str, Any], calls: int) -> dict[str, Any]:
    """Export a model, compare it with the live one, and time it in a process of its own. noise: None for its own."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        export.write(Path(folder), case.state, form)
        seconds = time.perf_counter() - started
        noise = export.noise(case.state, KEY, jax.numpy.arange(EVENTS)) if noise is None else noise
        record = json.loads((Path(folder) / "record.json").read_text())
        arrays: dict[str, Any] = {
            array["name"]: np.asarray((noise | dict(case.events))[array["name"]], array["dtype"])
            for array in record["inputs"]
        }
        load = export.load if form == "jax" else export.load_onnx
        found, events = load(Path(folder))(**arrays), Path(folder) / "events.npz"
        np.savez(events, **arrays)
        script = Path(__file__).with_name("export_latency.py")
        command = [sys.executable, str(script), form, folder, str(events), str(calls)]
        done = subprocess.run(command, env=os.environ | ONE_THREAD, check=True, capture_output=True, text=True)
        size = (Path(folder) / record["file"]).stat().st_size
    pairs = zip(whole, found.values(), strict=True)
    return {
        "megabytes": size / 1e6,
        "seconds_export": seconds,
        "difference": {name: difference(numbers, whole[name]) for name, numbers in pairs},
        **{name: record[name] for name in ("opset", "operators") if name in record},
        **json.loads(done.stdout),
    }


def summary(row: Mapping[str, Any]) -> str:
    """What a format gave, on a line."""
    if "refused" in row:
        return row["refused"]
    spent, memory = row["milliseconds_a_call"]["median"], row["resident_mib"]["with_model"]
    return f"{spent:.3g} ms, {memory:.0f} MiB, difference {max(row['difference'].values()):.1e}"


def difference(found: Any, live: Any) -> float:
    """The largest difference, in units of the largest number."""
    found, live = np.asarray(found, float), np.asarray(live, float)
    return float(np.abs(found - live).max() / np.abs(live).max())


def once(config: Any) -> Any:
    """Options with one epoch in every training."""
    changed = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if isinstance(value, Training):
            changed[field.name] = dataclasses.replace(value, epochs=1, epochs_per_call=1)
        elif dataclasses.is_dataclass(value):
            changed[field.name] = once(value)
    return dataclasses.replace(config, **changed)


def case_squirels() -> Case:
    """100 crystals, the default bridges."""
    fast, full, test = (data.showers.read(samples.squirels(g)) for g in ("fast/train", "full/train", "fast/test"))
    state = squirels.fit(KEY, fast[:TRAIN], full[:TRAIN], once(squirels.Config()))
    events = {"incident_energy": test.incident_energy[:EVENTS], "voxels": test.voxels[:EVENTS]}
    return Case(state, events, lambda n: {"voxels": squirels.refine(KEY, state, test[:n]).voxels})


@functools.cache
def searched() -> State:
    """An anomaly search in three layers of 504 cells: CaloFlow and a calibration within."""
    return anomaly.fit(KEY, data.showers.read(samples.lar("photons/train"))[:TRAIN], once(anomaly.Config()))


def case_caloflow(variant: str) -> Case:
    """504 cells in three layers."""
    photons = data.showers.read(samples.lar("photons/train"))[:TRAIN]
    config = once(caloflow.Config(variant="coupling" if variant == "coupling" else "autoregressive"))
    state = caloflow.fit(KEY, photons, config)
    if variant == "student":  # as long to sample before it is distilled as after
        spec = dataclasses.replace(state.spec, config=dataclasses.replace(config, variant="student"))
        student = jax.jit(caloflow_model.cells_flow(spec, True).init)(KEY)
        state = State(spec, state.constants, state.params._replace(student=student))
    low, high = np.asarray(state.constants.incident_range)
    energy = np.geomspace(low, high, EVENTS, dtype=np.float32)
    return Case(
        state, {"incident_energy": energy}, lambda n: {"voxels": caloflow.sample(KEY, state, energy[:n]).voxels}
    )


def case_calibration() -> Case:
    """Energies of photons in three layers, an ensemble of the default size."""
    state, voxels = anomaly_model.part(searched(), "energy"), lar_voxels()
    return Case(state, {"voxels": voxels}, lambda n: calibration.calibrate(state, voxels[:n])._asdict())


def case_anomaly() -> Case:
    """The density of 504 cells at the calibrated energy."""
    voxels = lar_voxels()
    return Case(searched(), {"voxels": voxels}, lambda n: anomaly.score(KEY, searched(), voxels[:n])._asdict())


def case_unfolding(method: Method) -> Case:
    """Six observables of jets."""
    simulation = data.unfolding.read(samples.zjets("pythia"))[: 4 * TRAIN]
    measured = data.unfolding.read_measured(samples.zjets("vincia"), [c.name for c in simulation.reco_columns])
    config = once(unfolding.Config(method))
    state = unfolding.fit(KEY, simulation, measured, config)
    if method == "omnifold":
        gen = np.asarray(simulation.gen[:EVENTS])
        return Case(state, {"gen": gen}, lambda n: {"weight": omnifold.push(state, gen[:n])})
    events = Measured(measured.reco[:EVENTS], np.ones(EVENTS, np.float32), measured.columns)

    def live(n):
        unfolded = unfolding.unfold(KEY, state, events[:n])
        return {"gen": unfolded.gen, "weight": unfolded.weight}

    return Case(state, {"reco": events.reco}, live)


def lar_voxels() -> np.ndarray:
    """Showers of photons that no model was fitted to."""
    return np.asarray(data.showers.read(samples.lar("photons/test")).voxels[:EVENTS])


CASES: dict[str, Callable[[], Case]] = {
    "squirels": case_squirels,
    "caloflow": functools.partial(case_caloflow, "autoregressive"),
    "caloflow_student": functools.partial(case_caloflow, "student"),
    "caloflow_coupling": functools.partial(case_caloflow, "coupling"),
    "calibration": case_calibration,
    "anomaly": case_anomaly,
    **{f"unfold_{method}": functools.partial(case_unfolding, method) for method in unfolding.METHODS},
}

if __name__ == "__main__":
    main(tyro.cli(Options))
