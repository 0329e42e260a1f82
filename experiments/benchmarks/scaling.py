"""Training on several devices and processes: weak scaling, and whether the parameters are those of one device.

    .venv/bin/python experiments/benchmarks/scaling.py

Some two minutes on 2 cores that are otherwise idle. Host devices stand for accelerators: 1, 2 and 4 of one process, and
two processes of 2 each, which talk through the loopback. Each has as many events of a batch (the default net of
SQuIRELS' shape, 1.3 million parameters, flow matching), so that with perfect scaling a step takes as long on all.

    weak_efficiency     seconds a step of one device with its share, over those of all with theirs. Host devices share
                        the cores, all of which one device alone has to itself: one over their number is about the most.
    total_efficiency    seconds a step of one device with the whole batch, over those of all: the cost of sharing alone,
                        at the same work a core.
    agreement           largest norm-wise distance of a parameter array from that of one device after a hundred steps of
                        a smaller net, in float32 and float64; the program stops where it exceeds 1e-4 and 1e-9.

Results with versions and date: `experiments/benchmarks/results/scaling.json`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from hepjax import report
from hepjax.provenance import provenance

WORKER = Path(__file__).with_name("scaling_worker.py")
TOLERANCE = {"float32": 1e-4, "float64": 1e-9}
LAYOUTS = {"1": (1, 1), "2": (1, 2), "4": (1, 4), "2x2": (2, 2)}
"""Processes, and devices of each."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "scaling.json"
    """File of the results."""
    batch: int = 128
    """Events of a step for each device."""
    steps: int = 15
    """Steps of a repeat."""
    repeats: int = 5
    """Timed repeats of each."""


def main(options: Options) -> None:
    """Run all layouts one after the other, compare, write and print the results."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        places = {name: Path(folder) / name for name in LAYOUTS}
        for name, place in places.items():
            place.mkdir()
            train(name, place, options)
        seconds = {name: json.loads((place / "seconds.json").read_text()) for name, place in places.items()}
        distances = {name: agreement(places["1"], place) for name, place in places.items() if name != "1"}
    results: dict[str, Any] = {
        "batch_a_device": options.batch,
        "steps": options.steps,
        "layouts": {name: row(name, seconds, options) for name in LAYOUTS},
        "agreement": distances,
        "provenance": provenance() | {"load_before": f"{load:.2f}"},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results)
    show(results)


def train(name: str, place: Path, options: Options) -> None:
    """Run the worker in as many processes as the layout has; one device takes the batches of all layouts."""
    processes, devices = LAYOUTS[name]
    sizes = {p * d for p, d in LAYOUTS.values()} if name == "1" else {processes * devices}
    batches = ",".join(str(size * options.batch) for size in sorted(sizes))
    words = [sys.executable, str(WORKER), str(place), batches, str(options.steps), str(options.repeats)]
    job = [[]] if processes == 1 else [[address, str(processes), str(i)] for address in (free(),) for i in (0, 1)]
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": str(devices)}
    started = [subprocess.Popen([*words, *more], env=environment) for more in job]
    if any([process.wait() for process in started]):
        raise SystemExit(f"the training of layout {name} failed")


def free() -> str:
    """An address that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return f"localhost:{probe.getsockname()[1]}"


def agreement(one: Path, other: Path) -> dict[str, float]:
    """Distances of the parameters of two layouts."""
    found = {dtype: distance(one / f"{dtype}.npz", other / f"{dtype}.npz") for dtype in TOLERANCE}
    for dtype, tolerance in TOLERANCE.items():
        assert found[dtype] < tolerance, f"{other.name} devices: {dtype} parameters differ by {found[dtype]:.2g}"
    return found


def distance(one: Path, other: Path) -> float:
    """Largest norm-wise distance of an array."""
    with np.load(one) as a, np.load(other) as b:
        return max(float(np.linalg.norm(a[key] - b[key]) / np.linalg.norm(a[key])) for key in a.files)


def row(name: str, seconds: dict[str, dict[str, list[float]]], options: Options) -> dict[str, Any]:
    """Times of a layout and their ratios to those of one device, of the medians."""
    processes, devices = LAYOUTS[name]
    batch = str(processes * devices * options.batch)
    times = seconds[name][batch]
    median = statistics.median(times)
    alone = {size: statistics.median(times) for size, times in seconds["1"].items()}
    return {
        "processes": processes,
        "devices": processes * devices,
        "seconds_a_step": {"median": median, "lowest": min(times), "highest": max(times)},
        "events_a_second": int(batch) / median,
        "weak_efficiency": alone[str(options.batch)] / median,
        "total_efficiency": alone[batch] / median,
    }


def show(results: dict[str, Any]) -> None:
    """Print a line a layout."""
    for name, found in results["layouts"].items():
        apart = ", ".join(f"{dtype} {x:.1g}" for dtype, x in results["agreement"].get(name, {}).items())
        efficiency = f"weak {found['weak_efficiency']:.2f}, total {found['total_efficiency']:.2f}"
        print(f"{name} devices: {found['events_a_second']:.0f} events/s, efficiency {efficiency}; apart {apart or '-'}")


if __name__ == "__main__":
    main(tyro.cli(Options))
