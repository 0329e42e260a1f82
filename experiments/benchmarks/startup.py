"""Commands started twice: seconds to the first step of training, or to the end, without and with the compiled cache.

    .venv/bin/python experiments/benchmarks/startup.py

Some ten minutes on 2 cores that are otherwise idle. Every command runs in a process of its own on a part of the
embedded samples, with default nets and batches. The first start finds an empty folder for compiled programs, the others
what it left there. A fit is timed from the start of the process until the first compiled call of a training has
returned, an epoch of few batches (`startup_child.py`); whatever applies a model is given few events, one chunk, and
timed until it has ended. Part of that is the same in all starts: `imports` is what Python needs to import what a
command imports. `help` is `hepjax --help`.

Results with versions and date: `experiments/benchmarks/results/startup.json`.
"""

from __future__ import annotations

import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import tyro

from hepjax import data, report
from hepjax.data import hdf5, samples
from hepjax.provenance import provenance

CHILD = Path(__file__).with_name("startup_child.py")
TRAINED, APPLIED = 600, 64
"""Showers of a fit, and events that a model is applied to."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "startup.json"
    """File of the results."""
    repeats: int = 3
    """Starts with a warm cache."""
    only: tuple[str, ...] = ()
    """Commands to start alone, such as squirels-fit."""


def main(options: Options) -> None:
    """Write the inputs, start every command, write and print the results."""
    load, results = os.getloadavg()[0], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder)
        for command, arguments in commands(folder).items():
            if not options.only or command in options.only:
                results[command] = measure(arguments, folder / f"cache_{command}", options.repeats)
                print(f"{command}: {results[command]}", flush=True)
    quick = {
        "help": seconds([str(Path(sys.executable).with_name("hepjax")), "--help"], options.repeats),
        "imports": seconds([sys.executable, "-c", "import hepjax.pipelines.squirels.record"], options.repeats),
    }
    made = provenance() | {"load_before": f"{load:.2f}"}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, {"seconds": quick, "commands": results, "provenance": made})


def write_inputs(folder: Path) -> None:
    """Parts of the embedded samples, small enough for an epoch to be nothing beside its compilation."""
    groups = {name: data.showers.read(samples.squirels(f"{name}/train"))[:TRAINED] for name in ("fast", "full")}
    data.showers.write(folder / "crystals.hdf5", groups | {"few": groups["fast"][:APPLIED]})
    photons = data.showers.read(samples.lar("photons/train"))[:TRAINED]
    data.showers.write(folder / "photons.hdf5", {"some": photons, "few": photons[:APPLIED]})
    jets = hdf5.read(samples.zjets("vincia"), ("sim",))
    with h5py.File(folder / "jets.hdf5", "w") as file:
        file.create_dataset("sim", data=jets.arrays["sim"][:APPLIED]).attrs.update(jets.attributes_of["sim"])


def commands(folder: Path) -> Mapping[str, Sequence[str]]:
    """Arguments of `hepjax` by a name, in the order in which they need each other's results."""
    crystals, photons, jets = f"{folder}/crystals.hdf5", f"{folder}/photons.hdf5", str(samples.zjets().path)
    short = ("epochs", "1"), ("epochs-per-call", "1")

    def fit(kind: Sequence[str], inputs: Sequence[str], *trainings: str) -> list[str]:
        options = [text for part in trainings for name, value in short for text in (f"--{part}.{name}", value)]
        return [*kind, *inputs, "--out", f"{folder}/{kind[0]}", "--overwrite", *options]

    def apply(kind: Sequence[str], *inputs: str) -> list[str]:
        return [*kind, "--model", f"{folder}/{kind[0]}", *inputs, "--out", f"{folder}/{kind[0]}.hdf5", "--overwrite"]

    showers = ["--showers", f"{photons}:some"]
    squirels = ["--fast", f"{crystals}:fast", "--full", f"{crystals}:full"]
    unfold = ["--simulation", f"{jets}:pythia", "--data", f"{jets}:vincia"]
    return {
        "squirels-fit": fit(["squirels", "fit"], squirels, "config.response-training", "config.shape-training"),
        "squirels-refine": apply(["squirels", "refine"], "--fast", f"{crystals}:few"),
        "caloflow-fit": fit(["caloflow", "fit"], showers, "config.layers-training", "config.training"),
        "caloflow-sample": apply(["caloflow", "sample"], "--energies", f"{photons}:few"),
        "calibrate-fit": fit(["calibrate", "fit"], showers, "config.training"),
        "calibrate-apply": apply(["calibrate", "apply"], "--showers", f"{photons}:few"),
        "unfold-fit": fit(["unfold", "fit"], unfold, "generative.training", "generative.prior-training"),
        "unfold-apply": apply(["unfold", "apply"], "--data", f"{folder}/jets.hdf5"),
    }


def measure(arguments: Sequence[str], cache: Path, repeats: int) -> dict[str, Any]:
    """Seconds without and with what the first start leaves in `cache`, and their ratio; then the command as a whole."""
    environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": str(cache)}
    child = [sys.executable, str(CHILD), *arguments]
    cold, *warm = (seconds(child, 1, environment) for _ in range(repeats + 1))
    if "fit" in arguments:  # the child ended before there was a model for the commands that apply one
        subprocess.run([sys.executable, "-m", "hepjax", *arguments], env=environment, check=True)
    median = statistics.median(warm)
    return {"cold": cold, "warm": median, "lowest": min(warm), "highest": max(warm), "ratio": cold / median}


def seconds(command: Sequence[str], repeats: int, environment: Mapping[str, str] = os.environ) -> float:
    """Median time of a process, from its start to its end."""
    spent = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run(command, env=dict(environment), check=True, stdout=subprocess.DEVNULL)
        spent.append(time.perf_counter() - started)
    return statistics.median(spent)


if __name__ == "__main__":
    main(tyro.cli(Options))
