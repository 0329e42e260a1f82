"""The comparison of unfolding methods on Z + jets (after arXiv:2404.18807): three tasks, all methods, three seeds.

    .venv/bin/python experiments/unfolding_comparison.py --file ../shared/data/zjets/zjets.hdf5

Tasks, each with six observables:

    stress   half of Pythia unfolds the other half, whose events weigh
             exp(0.4 (tanh((mass - 20 GeV) / 10 GeV) + tanh((multiplicity - 26) / 10) - tanh((tau21 - 0.73) / 0.2)))
    vincia   Pythia unfolds Vincia, 20,000 events
    small    Pythia unfolds the first 1,000 events of Vincia, judged against the truth of these events

Posteriors are also tested for coverage, with their prior corrected: those of seed 0's stress task, on 10,000 of its
events, drawn with the probability of their weight. They unfold the truth's own events, so that distances are held
against their swaps; OmniFold's against bootstraps. Unfolded events are kept below `--unfolded`, so that a stopped study
goes on; `--seeds 0 2` makes those of the seeds 0 and 2 alone. Everything measured is in
`experiments/results/unfolding_comparison.json`.
"""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import tyro

from hepjax import data, evaluation, metrics, report
from hepjax.pipelines import posterior, unfolding
from hepjax.pipelines.posterior.config import PUBLISHED
from hepjax.provenance import provenance
from hepjax.types import Column, Measured, State, Unfolded, Unfolding

CONFIGS = {method: unfolding.Config(method) for method in unfolding.METHODS}
CONFIGS["sbunfold_published"] = unfolding.Config("sbunfold", generative=PUBLISHED)
TASKS = ("stress", "vincia", "small")
SMALL = 1000
COVERED, DRAWS = 10_000, 19
KEPT = ("seconds_fit", "seconds_unfold", "coverage", "prior")


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    file: Path
    """HDF5 file with the groups pythia and vincia."""
    out: Path = Path("experiments/results")
    """Folder of unfolding_comparison.json and of the figures' folder unfolding_comparison."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of every method."""
    methods: tuple[str, ...] = tuple(CONFIGS)
    """Methods to run; all that has been run is measured."""
    unfolded: Path = Path("runs/unfolding_comparison")
    """Folder of the unfolded events."""
    measure: bool = True
    """Measure what has been unfolded."""


class Task(NamedTuple):
    """A simulation, and events to unfold with a weight each."""

    simulation: Unfolding
    events: Unfolding
    weight: np.ndarray

    @property
    def data(self) -> Measured:
        """What was measured."""
        return Measured(self.events.reco, self.weight, self.events.reco_columns)

    @property
    def truth(self) -> Unfolded:
        """What should come out."""
        return Unfolded(self.events.gen, self.weight, self.events.gen_columns)


def main(options: Options) -> None:
    """Unfold what is missing, then measure and draw."""
    tasks = read(options.file)
    for seed in options.seeds:
        for name in options.methods:
            unfold_all(tasks, name, seed, options.unfolded)
    if options.measure:
        measure(tasks, options)


def read(file: Path) -> dict[str, Task]:
    """The three tasks."""
    pythia, vincia = (data.unfolding.read(f"{file}:{group}") for group in ("pythia", "vincia"))
    half = len(pythia) // 2
    other = pythia[half:]
    return {
        "stress": Task(pythia[:half], other, stress(other)),
        "vincia": Task(pythia, vincia, np.asarray(vincia.weight)),
        "small": Task(pythia, vincia[:SMALL], np.asarray(vincia.weight[:SMALL])),
    }


def stress(events: Unfolding) -> np.ndarray:
    """The weight of the stress task, of mean one."""
    columns = dict(zip((column.name for column in events.gen_columns), np.asarray(events.gen).T, strict=True))
    mass, multiplicity, tau21 = (columns[name] for name in ("mass_gev", "multiplicity", "tau21"))
    tilt = np.tanh((mass - 20) / 10) + np.tanh((multiplicity - 26) / 10) - np.tanh((tau21 - 0.73) / 0.2)
    weight = np.exp(0.4 * tilt)
    return (weight / weight.mean()).astype(np.float32)


def unfold_all(tasks: dict[str, Task], name: str, seed: int, folder: Path) -> None:
    """Unfold all tasks by one method; a posterior learned from all of Pythia serves two of them."""
    key, state = jax.random.key(seed), None
    for task in TASKS:
        path = folder / f"{task}_{name}_{seed}.hdf5"
        if path.exists():
            continue
        started = time.perf_counter()
        if task == "small" and state is not None and name != "omnifold":
            state = posterior.correct(key, state, tasks[task].simulation, tasks[task].data)
        else:
            state = unfolding.fit(key, tasks[task].simulation, tasks[task].data, CONFIGS[name])
        jax.block_until_ready(state.params)
        fitted = time.perf_counter()
        unfolded = jax.block_until_ready(unfolding.unfold(jax.random.fold_in(key, 1), state, tasks[task].data))
        found: dict[str, Any] = {"seconds_fit": fitted - started, "seconds_unfold": time.perf_counter() - fitted}
        if name != "omnifold":
            found |= unfolding.summary(state)
            if task == "stress" and seed == 0:
                found["coverage"] = coverage(state, tasks[task])
        made = {"method": name, "selection": f"that of the task {task}", "seed": seed, **found}
        path.parent.mkdir(parents=True, exist_ok=True)
        data.unfolding.write(path, unfolded, made | {"software": provenance()})
        print(task, name, seed, f"{fitted - started:.0f} s", flush=True)


def coverage(state: State, task: Task) -> dict[str, Any]:
    """How the truth lies in the posterior with the corrected prior, in events that have that prior without weights."""
    drawn = np.random.default_rng(0).random(len(task.weight)) < task.weight / task.weight.max()
    events = task.events[np.flatnonzero(drawn)[:COVERED]]
    key_draws, key_truth = jax.random.split(jax.random.key(2))
    draws = posterior.sample(key_draws, state, events.reco, DRAWS)
    own = posterior.prior_weight(key_truth, state, events.reco, events.gen)
    found = metrics.coverage(
        np.asarray(draws.gen),
        np.asarray(events.gen),
        events.gen_columns,
        weight=np.asarray(draws.weight),
        truth_weight=np.asarray(own),
    )
    return {
        c.column.name: {
            "deviation": c.deviation,
            "floor_mean": c.floor.mean,
            "floor_99": c.floor.top,
            "counts": c.counts.tolist(),
            "difference": c.difference.tolist(),
        }
        for c in found
    }


def covered(column: Column, row: dict[str, Any]) -> metrics.Coverage:
    """The coverage of one observable, as kept beside unfolded events."""
    floor = metrics.Floor(row["floor_mean"], row["floor_99"])
    return metrics.Coverage(column, np.array(row["counts"]), np.array(row["difference"]), row["deviation"], floor)


def measure(tasks: dict[str, Task], options: Options) -> None:
    """Compare all unfolded samples with the truth, task by task and seed by seed; what has been compared is kept."""
    results: dict[str, Any] = {name: {} for name in TASKS}
    for name, task in tasks.items():
        for seed in options.seeds:
            path = options.unfolded / f"{name}_{seed}.json"
            if not path.exists():
                report.write_json(path, compare(name, task, seed, options))
                print(name, seed, "measured", flush=True)
            results[name][seed] = json.loads(path.read_text())
    options.out.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out / "unfolding_comparison.json", results | {"provenance": provenance()})


def compare(name: str, task: Task, seed: int, options: Options) -> dict[str, Any]:
    """Metrics of all methods of one task and seed, and the times of their runs; draws the seed 0."""
    found = {
        method: data.unfolding.read_unfolded(path)
        for method in CONFIGS
        if (path := options.unfolded / f"{name}_{method}_{seed}.hdf5").exists()
    }
    samples = {method: unfolded for method, (unfolded, _) in found.items()}
    key, simulation = jax.random.key(seed), task.simulation
    own = [evaluation.unfolding.RECO, *(method for method in samples if method != "omnifold")]
    rows = {sample: np.arange(len(task.weight)) for sample in own}
    comparison = evaluation.unfolding.compare(key, task.truth, samples, task.data, simulation=simulation, rows=rows)
    made = {method: {key: made.get(key) for key in KEPT} for method, (_, made) in found.items()}
    if seed == 0:
        draw(options.out / "unfolding_comparison" / name, comparison, made)
    return comparison.metrics | {"runs": made}


def draw(folder: Path, comparison: metrics.UnfoldingComparison, made: dict[str, dict[str, Any]]) -> None:
    """Observables, distances and migrations, and the coverage where it was measured."""
    coverages = {
        method: [covered(m.column, run["coverage"][m.column.name]) for m in comparison.migrations]
        for method, run in made.items()
        if run["coverage"]
    }
    figures = {
        "observables": report.observables_figure(comparison),
        "summary": report.summary_figure(comparison),
        "migration": report.migration_figure(comparison.migrations),
    }
    if coverages:
        figures["coverage"] = report.coverage_figure(coverages)
    for name, figure in figures.items():
        report.write_figure(folder / f"{name}.png", figure)


if __name__ == "__main__":
    main(tyro.cli(Options))
