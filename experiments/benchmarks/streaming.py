"""Training on a file four times the memory that it may take, against training on the same file in memory.

    .venv/bin/python experiments/benchmarks/streaming.py

Needs 2 GB of memory, as much disk for a while, and some four minutes on 2 cores that are otherwise idle. Toy showers in
the voxels of the CaloChallenge's set 2 (26 kB each) are written twice, as they are and compressed by gzip. A residual
net learns their incident energy from all cells; each fit has a process of its own, in turns, and is timed when it has
compiled. All take the rows in the same order, so that their losses have to agree.

    steps_per_second    medians over turns; `ratio` is that of the stream over the memory
    peak_gib            largest resident memory of the process, Python, JAX and the net included
    loss_difference     largest relative difference of an epoch's loss from that in memory

Results with versions and date: `experiments/benchmarks/results/streaming.json`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import calochallenge
import h5py
import jax
import jax.numpy as jnp
import numpy as np
import tyro

from hepjax import data, nets, report, training
from hepjax.data import geometry as geometries
from hepjax.pipelines.showers import stored
from hepjax.provenance import provenance
from hepjax.types import Showers

GEOMETRY = geometries.named("calochallenge_2")
BATCH = 256
WAYS = {"memory": "plain", "stream": "plain", "stream_gzip": "gzip"}
"""Ways to train, and the file of each."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "streaming.json"
    """File of the results."""
    memory_gib: float = 0.25
    """Memory for showers."""
    times: float = 4.0
    """Size of the file in that memory."""
    epochs: int = 2
    """Epochs of a timed fit."""
    repeats: int = 3
    """Turns of each way."""
    train: Path | None = None
    """Train on this file in this process, and print what came of it: what the benchmark starts."""
    way: str = "memory"
    """How to train on it."""


def main(options: Options) -> None:
    """Write the files, train in turns, and write and print the results."""
    if options.train is not None:
        print(json.dumps(train(options, options.train)))
        return
    load = os.getloadavg()[0]
    showers = int(options.times * options.memory_gib * 2**30 / (4 * (GEOMETRY.voxels + 1)))
    turns: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.hdf5" for name in ("gzip", "plain")}
        calochallenge.write(files["gzip"], GEOMETRY, showers, seed=0)
        decompress(files["gzip"], files["plain"])
        sizes = {name: path.stat().st_size / 2**30 for name, path in files.items()}
        for _ in range(options.repeats):
            for way, name in WAYS.items():
                turns[way].append(in_process(options, files[name], way))
    results = {"showers": showers, "memory_gib": options.memory_gib, "files_gib": sizes, **summary(turns)}
    results["provenance"] = provenance() | {"load_before": f"{load:.2f}"}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results)
    for way in WAYS:
        print(f"{way}: {results['ways'][way]['ratio']:.2f} of the steps/s, {results['ways'][way]['peak_gib']:.2f} GiB")


def decompress(source: Path, target: Path) -> None:
    """Copy a file of showers, chunk by chunk, without compression."""
    with h5py.File(source) as old, h5py.File(target, "w") as new:
        for name, column in old.items():
            chunks = min(len(column), calochallenge.ROWS_A_CHUNK), *column.shape[1:]
            copy = new.create_dataset(name, column.shape, column.dtype, chunks=chunks)
            for start in range(0, len(column), calochallenge.ROWS_A_CHUNK):
                copy[start : start + calochallenge.ROWS_A_CHUNK] = column[start : start + calochallenge.ROWS_A_CHUNK]


def in_process(options: Options, file: Path, way: str) -> dict[str, Any]:
    """Train in a process of its own."""
    words = ("--train", file, "--way", way, "--memory-gib", options.memory_gib, "--epochs", options.epochs)
    done = subprocess.run([sys.executable, __file__, *map(str, words)], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def train(options: Options, file: Path) -> dict[str, Any]:
    """Steps a second of a fit that has nothing left to compile, its losses, and the largest memory of all."""
    net = nets.resnet(GEOMETRY.voxels, 1, width=512, blocks=2)
    model = training_model(net)
    with data.showers.opened(file) as found:
        on_disk = stored.Stored(found, int(options.memory_gib * 2**30), found.rows_a_chunk)
        divided = stored.divide(np.random.default_rng(0), on_disk, validation=0.0, images=1)
        recipe = divided.recipe(training.Config(epochs=options.epochs, batch_size=BATCH, validation=0.0))
        events = data.showers.read(file) if options.way == "memory" else divided.train
        key = jax.random.key(0)
        training.fit(key, model, events, dataclasses.replace(recipe, epochs=1))
        started = time.perf_counter()
        fitted = training.fit(key, model, events, recipe)
        seconds = time.perf_counter() - started
        steps = options.epochs * (len(found) // BATCH)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"steps_per_second": steps / seconds, "peak_gib": peak, "loss": fitted.history["loss"].tolist()}


@dataclasses.dataclass(frozen=True)
class Model:
    """What `training.fit` asks for."""

    init: Any
    loss: Any


def training_model(net) -> Model:
    """ln E of showers from the logarithms of their cells, by least squares."""

    def loss(key, params, showers: Showers):
        del key
        x = jnp.log1p(showers.voxels) / 5
        residual = net.apply(params, x)[..., 0] - jnp.log(showers.incident_energy / 3e4)
        return jnp.mean(residual**2), {}

    return Model(net.init, loss)


def summary(turns: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Medians with all values, ratios to memory, largest memories and differences of the loss."""
    medians = {way: statistics.median(turn["steps_per_second"] for turn in rows) for way, rows in turns.items()}
    reference = np.array(turns["memory"][0]["loss"])
    ways = {
        way: {
            "steps_per_second": {"median": medians[way], "all": [row["steps_per_second"] for row in rows]},
            "ratio": medians[way] / medians["memory"],
            "peak_gib": max(row["peak_gib"] for row in rows),
            "loss_difference": max(float(np.max(np.abs(row["loss"] / reference - 1))) for row in rows),
        }
        for way, rows in turns.items()
    }
    return {"batch": BATCH, "ways": ways}


if __name__ == "__main__":
    main(tyro.cli(Options))
