"""The latency of one exported model, one event a call: what `export.py` runs in a process without hepjax.

    .venv/bin/python experiments/benchmarks/export_latency.py FORMAT FOLDER EVENTS.npz CALLS

Prints JSON. Memory is that of the process, with the runtime alone, JAX or onnxruntime, and with the model.
"""

import importlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np

MIB = 2**20
RUNTIMES = {"jax": "jax", "onnx": "onnxruntime"}
LOADERS = {"jax": "load", "onnx": "load_onnx"}


def main(form: str, folder: str, events: str, calls: int) -> None:
    """Load the model of a folder and call it, with one row after the other of the events."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    start_runtime(form)
    alone, started = resident(), time.perf_counter()
    sys.path.insert(0, folder)
    function = importlib.import_module(LOADERS[form]).load()
    seconds = {"load": time.perf_counter() - started}
    rows = single_events(events)
    seconds["first_call"] = timed(function, rows[0])
    milliseconds = [1e3 * timed(function, rows[call % len(rows)]) for call in range(calls)]
    spread = {"median": statistics.median(milliseconds), "lowest": min(milliseconds), "highest": max(milliseconds)}
    memory = {RUNTIMES[form] + "_alone": alone, "with_model": resident()}
    print(json.dumps({"milliseconds_a_call": spread, "seconds": seconds, "resident_mib": memory}))


def start_runtime(form: str) -> None:
    """Import what runs a format, and have it ready."""
    runtime = importlib.import_module(RUNTIMES[form])
    if form == "jax":
        runtime.numpy.zeros(1).block_until_ready()


def single_events(path: str) -> list[dict[str, np.ndarray]]:
    """Inputs of one event each; the key is one for all."""
    arrays = dict(np.load(path))
    noise = {"key": arrays.pop("key")} if "key" in arrays else {}
    events = len(next(iter(arrays.values())))
    return [noise | {name: array[row : row + 1] for name, array in arrays.items()} for row in range(events)]


def timed(function, inputs: dict[str, np.ndarray]) -> float:
    """Seconds of a call, until its outputs are arrays of NumPy."""
    started = time.perf_counter()
    for output in function(**inputs).values():
        np.asarray(output)
    return time.perf_counter() - started


def resident() -> float:
    """Resident memory of this process in MiB, by Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MIB


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
