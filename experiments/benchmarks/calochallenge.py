"""The CaloChallenge's metrics at full size: seconds and memory of the command, and features against NumPy.

    .venv/bin/python experiments/benchmarks/calochallenge.py

Needs some 2 GB of disk for a while, and a quarter of an hour on 2 cores that are otherwise idle. Showers are drawn from
a toy of an electromagnetic shower in the voxels of sets 2 (100,000) and 3 (50,000), as many again with 1 percent more
energy as the sample to evaluate; both files are read from disk in slices.

    evaluate    histograms with separation powers, features, FPD and KPD: wall time and largest resident memory
    features    10,000 showers of set 2 in memory: hepjax against a plain NumPy pass, layer by layer, in turns

Results with versions and date: `experiments/benchmarks/results/calochallenge.json`.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tyro

from hepjax import report
from hepjax.data import geometry as geometries
from hepjax.metrics import calorimeter
from hepjax.provenance import provenance
from hepjax.types import Geometry, Showers

ROWS_A_CHUNK = 512
METRICS = ("separation", "fpd", "kpd")


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "calochallenge.json"
    """File of the results."""
    set_2: int = 100_000
    """Showers of set 2 a file."""
    set_3: int = 50_000
    """Showers of set 3 a file."""
    repeats: int = 5
    """Times that hepjax and NumPy take turns at the features."""


def main(options: Options) -> None:
    """Write the files, evaluate them, time the features, and write the results."""
    load = os.getloadavg()[0]
    results: dict[str, Any] = {"features": features(options.repeats)}
    for dataset, showers in (("2", options.set_2), ("3", options.set_3)):
        results[f"evaluate_set_{dataset}"] = evaluate(dataset, showers)
    results["provenance"] = provenance() | {"load_before": f"{load:.2f}"}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results)


def evaluate(dataset: str, showers: int) -> dict[str, Any]:
    """Seconds and largest memory of the command in a process of its own, on files of its own."""
    geometry = geometries.named(f"calochallenge_{dataset}")
    with tempfile.TemporaryDirectory() as folder:
        reference, generated = (Path(folder) / f"{name}.hdf5" for name in ("reference", "generated"))
        write(reference, geometry, showers, seed=0)
        write(generated, geometry, showers, seed=1, scale=1.01)
        command = [sys.executable, "-m", "hepjax", "calochallenge", "evaluate", "--dataset", dataset]
        command += ["--reference", str(reference), "--generated", str(generated), "--out", f"{folder}/report"]
        started = time.perf_counter()
        subprocess.run([*command, "--metrics", *METRICS], check=True)
        seconds = time.perf_counter() - started
        size = reference.stat().st_size + generated.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    row = {"showers": 2 * showers, "metrics": METRICS, "seconds": seconds, "peak_gib": peak, "files_gib": size / 2**30}
    print(f"set {dataset}: {seconds:.0f} s, at most {peak:.2f} GiB (largest of all so far)")
    return row


def write(path: Path, geometry: Geometry, showers: int, seed: int, scale: float = 1.0) -> None:
    """A file of toy showers in the layout of the challenge, written in slices."""
    with h5py.File(path, "w") as file:
        energies = file.create_dataset("incident_energies", (showers, 1), "f4", compression="gzip")
        voxels = file.create_dataset(
            "showers", (showers, geometry.voxels), "f4", chunks=(ROWS_A_CHUNK, geometry.voxels), compression="gzip"
        )
        for start, part in slices(geometry, showers, seed):
            rows = slice(start, start + len(part))
            energies[rows, 0], voxels[rows] = part.incident_energy, scale * np.asarray(part.voxels)


def slices(geometry: Geometry, showers: int, seed: int) -> Iterator[tuple[int, Showers]]:
    """First rows and showers of a whole sample, a chunk of the file at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, showers, ROWS_A_CHUNK):
        yield start, draw(rng, geometry, min(ROWS_A_CHUNK, showers - start))


def draw(rng: np.random.Generator, geometry: Geometry, showers: int) -> Showers:
    """Toy showers: exponential hits with a gamma profile in depth and an exponential one in r, over the threshold."""
    layers, bins, rings = geometry.shape
    energy = 10 ** rng.uniform(3, 6, showers)
    hits = rng.poisson(50 * (energy / 1e3) ** 0.65)
    shower = np.repeat(np.arange(showers), hits)
    depth = rng.gamma(4.0, 0.8 + 0.25 * np.log10(energy / 1e3))[shower] * rng.gamma(6.0, 0.5, len(shower))
    radius = rng.exponential(6.0, len(shower)) / geometry.polar[0].r_edges_mm[1]
    inside = (depth < layers) & (radius < rings)
    alpha = rng.integers(bins, size=len(shower))
    index = np.ravel_multi_index(
        (shower[inside], depth[inside].astype(int), alpha[inside], radius[inside].astype(int)),
        (showers, layers, bins, rings),
    )
    share = rng.exponential(1.0, len(shower)) * (energy / np.maximum(hits, 1))[shower]
    voxels = np.bincount(index, share[inside], minlength=showers * geometry.voxels).reshape(showers, -1)
    voxels[voxels < geometry.threshold_mev] = 0
    return Showers(energy.astype(np.float32), voxels.astype(np.float32), geometry)


def features(repeats: int) -> dict[str, Any]:
    """Showers a second of hepjax and of NumPy, medians and spread over turns, and the largest difference."""
    geometry = geometries.named("calochallenge_2")
    parts = [part for _, part in slices(geometry, 10_000, seed=2)]
    ways: dict[str, Callable[[], np.ndarray]] = {
        "hepjax": lambda: calorimeter.feature_vector(calorimeter.batched_features(parts), geometry),
        "numpy": lambda: calorimeter.feature_vector(plain(parts), geometry),
    }
    difference = np.abs(ways["hepjax"]() - ways["numpy"]()).max()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"features: NumPy / hepjax {median['numpy'] / median['hepjax']:.1f}")
    return {
        "showers": sum(map(len, parts)),
        "seconds": {name: {"median": median[name], "all": values} for name, values in seconds.items()},
        "ratio": median["numpy"] / median["hepjax"],
        "largest_difference": difference,
    }


def plain(parts: list[Showers]) -> calorimeter.Features:
    """The features by NumPy, written as the definitions are: a layer and a moment at a time."""
    energy = np.concatenate([part.incident_energy for part in parts]).astype(np.float64)
    voxels = np.concatenate([part.voxels for part in parts]).astype(np.float64)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in calorimeter.Features._fields[2:]}
    start = 0
    for layer in parts[0].geometry.polar:
        cells = voxels[:, start : start + layer.voxels]
        start += layer.voxels
        total = cells.sum(1)
        columns["energy"].append(total)
        columns["sparsity"].append(1 - (cells > 0).mean(1))
        for axis, x in zip(("eta", "phi", "r"), calorimeter.centres(layer), strict=True):
            mean = (x * cells).sum(1) / (total + 1e-16)
            square = (x**2 * cells).sum(1) / (total + 1e-16)
            columns[f"centre_{axis}"].append(mean)
            columns[f"width_{axis}"].append(np.sqrt(np.maximum(square - mean**2, 0)))
    return calorimeter.Features(energy, voxels.sum(1), **{name: np.stack(x, 1) for name, x in columns.items()})


if __name__ == "__main__":
    main(tyro.cli(Options))
