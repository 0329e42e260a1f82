"""The study of CaloFlow (arXiv:2106.05285, arXiv:2110.11377, arXiv:2312.09290) on Geant4 photons in three layers.

    .venv/bin/python experiments/caloflow.py --file ../shared/data/lar/photons.hdf5 --seeds 1

Any file with the groups train and test will do. Flows see the group train alone; every number is measured on `test`,
against showers generated at its incident energies. Rows that stand already in the results are kept, so that a stopped
study goes on; `--only coupling_0` runs one of them. A row `student` holds the teacher's numbers under `teacher`.

Recorded on 2026-11-29 on one core of an Intel Xeon at 2.8 GHz that other jobs shared: 21 minutes of fit for a coupling
flow, 51 for teacher and student (most of it the student). A run should score: AUC 0.50 (network) and 0.52 (trees) on
all cells for teacher and student, 0.51 and 0.54 for the coupling flow. `seconds_fit` is null for a row whose model
was taken from `--models`. Everything is in `experiments/results/caloflow.json`, quoted in the documentation.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from hepjax import data, evaluation, report
from hepjax.pipelines import caloflow
from hepjax.provenance import provenance
from hepjax.training import spec
from hepjax.types import Showers, State

Samples = dict[str, Showers]
CONFIGS = {"student": caloflow.Config(variant="student"), "coupling": caloflow.Config(variant="coupling", depth=6)}
FIGURES = {
    "overview": report.overview_figure,
    "layer_energies": report.layer_energy_figure,
    "averages": lambda comparison: report.average_figure(comparison.averages, comparison.layers),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    file: Path
    """HDF5 file with the groups train and test."""
    out: Path = Path("experiments/results")
    """Folder of caloflow.json and its figures."""
    seeds: int = 3
    """Seeds for each variant."""
    only: str = ""
    """Run this row alone, such as coupling_0."""
    models: Path | None = None
    """Keep the trained models below this folder, and take those that are there."""


def main(options: Options) -> None:
    """Run what is missing, then summarise."""
    samples = {name: data.showers.read(f"{options.file}:{name}") for name in ("train", "test")}
    path = options.out / "caloflow.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    jobs: dict[str, Callable[[], dict[str, Any]]] = {"floor": lambda: judge(samples, samples["train"], "train")}
    for seed in range(options.seeds):
        for variant in CONFIGS:
            jobs[f"{variant}_{seed}"] = functools.partial(study, samples, variant, seed, options)
    for name, job in jobs.items():
        if name not in results and options.only in ("", name):
            results[name] = job()
            results["provenance"] = provenance()
            options.out.mkdir(parents=True, exist_ok=True)
            report.write_json(path, results)
            print(name, json.dumps(brief(results[name])), flush=True)


def study(samples: Samples, variant: str, seed: int, options: Options) -> dict[str, Any]:
    """Fit with one seed, judge what it generates, and time it; a student's teacher likewise."""
    name, config = f"{variant}_{seed}", CONFIGS[variant]
    kept = None if options.models is None else options.models / name
    seconds = None
    if kept and kept.exists():
        state = caloflow.load(kept)
    else:
        started = time.perf_counter()
        state = caloflow.fit(jax.random.key(seed), samples["train"], config)
        jax.block_until_ready(state.params)
        seconds = time.perf_counter() - started
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            caloflow.save(kept, state)
    row = measure(samples, state, seed, variant, options.out)
    if variant == "student":
        row["teacher"] = measure(samples, teacher(state), seed, "teacher", options.out)
    return row | {"config": spec.encode(config), "seconds_fit": seconds}


def teacher(state: State) -> State:
    """The autoregressive flow that a student learned from."""
    config = dataclasses.replace(state.spec.config, variant="autoregressive")
    return State(dataclasses.replace(state.spec, config=config), state.constants, state.params._replace(student=None))


def measure(samples: Samples, state: State, seed: int, name: str, out: Path) -> dict[str, Any]:
    """Judge showers at the test sample's energies; time, and density of the test sample."""
    test = samples["test"]
    generated = caloflow.sample(jax.random.key(seed), state, test.incident_energy)
    generated = Showers(np.asarray(generated.incident_energy), np.asarray(generated.voxels), generated.geometry)
    row = judge(samples, generated, name, out / "caloflow" / name if seed == 0 else None)
    density = np.asarray(caloflow.log_prob(jax.random.key(seed), state, test, draws=8))
    return row | {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "test_log_prob": {"mean": float(density.mean()), "error": float(density.std() / np.sqrt(len(density)))},
        "timing": [timing._asdict() for timing in timings(state, test)],
    }


def timings(state: State, test: Showers) -> tuple[evaluation.Timing, ...]:
    """Milliseconds a shower at batch 1, 100 and 10,000, at energies of the test sample."""

    def sample(key, batch):
        return caloflow.sample(key, state, np.resize(np.asarray(test.incident_energy), batch)).voxels

    return evaluation.timing(jax.random.key(0), sample)


def judge(samples: Samples, generated: Showers, name: str, figures: Path | None = None) -> dict[str, Any]:
    """Everything `hepjax compare` measures, against the test showers; its figures for `figures`."""
    test, train = samples["test"], samples["train"]
    generated = generated[: len(test)]
    comparison = evaluation.compare(
        jax.random.key(0), test, generated, train=train if name != "train" else None, names=("Geant4", name)
    )
    if figures:
        for part, figure in FIGURES.items():
            report.write_figure(figures / f"{part}.png", figure(comparison))
    return comparison.metrics


def brief(row: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a row that the documentation quotes."""
    numbers = {key: round(value, 3) for key, value in row.items() if key.startswith("auc") and "error" not in key}
    beyond = [name for name, o in row["observables"].items() if o["emd"] > o["emd_floor_99"]]
    numbers |= {"emd_beyond_99_percent": beyond, "copies_p": row.get("copies", {}).get("ks_p_value")}
    numbers |= {f"ms_at_{t['batch']}": round(t["mean_ms"], 3) for t in row.get("timing", ())}
    return numbers | ({"teacher": brief(row["teacher"])} if "teacher" in row else {})


if __name__ == "__main__":
    main(tyro.cli(Options))
