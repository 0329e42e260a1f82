"""The study of SQuIRELS (arXiv:2308.12339): GFlash refined into Geant4 by DSB and by matching, over three seeds.

    .venv/bin/python experiments/squirels.py --file ../shared/data/squirels/gflash_vs_geant4.hdf5

Any file with the groups fast/train, fast/test, full/train and full/test will do. Models see the train groups alone;
every number is measured on the test groups, against `full/test`. Rows that stand already in the results are kept, so
that a stopped study goes on; `--only matching_0` runs one of them.

Recorded on 2026-11-29, each fit on a core of an Intel Xeon at 2.8 GHz that other jobs shared: 23 minutes a seed for
matching and 16 for DSB. A run should score: AUC of matching 0.50 (network) and 0.51 (trees), of DSB cut to two cores
0.81 and 0.94, GFlash 0.993 and 0.9998. Everything is in `experiments/results/squirels.json`, quoted in the
documentation.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from hepjax import data, evaluation, metrics, report
from hepjax.pipelines import squirels
from hepjax.pipelines.squirels.config import DSB_CPU
from hepjax.provenance import provenance
from hepjax.training import spec
from hepjax.types import Showers, State

Samples = dict[str, Showers]
METHODS = {"matching": squirels.Config(), "dsb": DSB_CPU}


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    file: Path
    """HDF5 file with the groups fast/train, fast/test, full/train and full/test."""
    out: Path = Path("experiments/results")
    """Folder of squirels.json and its figures."""
    seeds: int = 3
    """Seeds for each method."""
    only: str = ""
    """Run this row alone, such as matching_0."""
    models: Path | None = None
    """Keep the trained models below this folder, and take those that are there."""


def main(options: Options) -> None:
    """Run what is missing, then summarise."""
    names = ("fast/train", "full/train", "fast/test", "full/test")
    samples = {name: data.showers.read(f"{options.file}:{name}") for name in names}
    path = options.out / "squirels.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    jobs: dict[str, Callable[[], dict[str, Any]]] = {
        "gflash": lambda: judge(samples, samples["fast/test"], "GFlash"),
        "resampled": lambda: judge(samples, resampled(samples), "training showers"),
    }
    for method, config in METHODS.items():
        for seed in range(options.seeds):
            name = f"{method}_{seed}"
            jobs[name] = functools.partial(study, samples, config, seed, name, options)
    for name, job in jobs.items():
        if name not in results and options.only in ("", name):
            results[name] = job()
            results["provenance"] = provenance()
            options.out.mkdir(parents=True, exist_ok=True)
            report.write_json(path, results | {"summary": summary(results)})
            print(name, json.dumps(brief(results[name])), flush=True)
    report.write_json(path, results | {"summary": summary(results)})


def study(
    samples: dict[str, Showers], config: squirels.Config, seed: int, name: str, options: Options
) -> dict[str, Any]:
    """Fit with one seed, refine the fast test showers, judge them, and time the refinement."""
    state, seconds = fitted(samples, config, seed, options.models and options.models / name)
    fast = samples["fast/test"]
    refined = squirels.refine(jax.random.key(seed), state, fast)
    refined = Showers(refined.incident_energy, np.asarray(refined.voxels), refined.geometry)
    row = judge(samples, refined, "refined", figures=options.out / "squirels" / name if seed == 0 else None)
    return row | {
        "config": spec.encode(config),
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        "seconds_fit": seconds,
        "ms_per_shower": milliseconds(state, fast[:1000]),
        "input_output_correlation": link(fast, refined),
        "repeated": repeated(state, fast, samples["full/test"]),
    }


def fitted(samples: Samples, config: squirels.Config, seed: int, folder: Path | None) -> tuple[State, float]:
    """The model of one seed and the seconds of its fit, which the folder keeps."""
    if folder is not None and folder.exists():
        return squirels.load(folder / "state"), json.loads((folder / "fit.json").read_text())["seconds"]
    started = time.perf_counter()
    state = squirels.fit(jax.random.key(seed), samples["fast/train"], samples["full/train"], config)
    jax.block_until_ready(state.params)
    seconds = time.perf_counter() - started
    if folder is not None:
        with data.output.claim(folder) as claimed:
            squirels.save(claimed / "state", state)
            report.write_json(claimed / "fit.json", {"seconds": seconds})
    return state, seconds


def judge(samples: Samples, generated: Showers, name: str, figures: Path | None = None) -> dict[str, Any]:
    """Everything `hepjax compare` measures, against the full simulation's test showers; its report for `figures`."""
    n = min(len(samples["full/test"]), len(generated))
    reference, generated, fast = samples["full/test"][:n], generated[:n], samples["fast/test"][:n]
    baseline, names = (fast, ("Geant4", name, "GFlash")) if figures else (None, ("Geant4", name))
    comparison = evaluation.compare(
        jax.random.key(0), reference, generated, baseline, train=samples["full/train"], names=names
    )
    if figures is not None:
        figures.mkdir(parents=True, exist_ok=True)
        for part in ("overview", "floors", "response", "profiles", "examples", "correlations"):
            figure = getattr(report, FIGURES[part])(comparison)
            report.write_figure(figures / f"{part}.png", figure)
    return {key: value for key, value in comparison.metrics.items() if key != "baseline"}


FIGURES = {
    "overview": "overview_figure",
    "floors": "floor_figure",
    "response": "response_figure",
    "profiles": "profile_figure",
    "examples": "example_figure",
    "correlations": "correlation_figure",
}


def resampled(samples: Samples) -> Showers:
    """Training showers drawn with replacement: the generator that learns by heart."""
    train = samples["full/train"]
    return train[np.random.default_rng(0).integers(len(train), size=len(samples["full/test"]))]


def milliseconds(state: Any, fast: Showers, repeats: int = 7) -> dict[str, float]:
    """Median time of refining a shower in a batch, and its spread, after compilation."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        jax.block_until_ready(squirels.refine(jax.random.key(0), state, fast).voxels)
        times.append(1e3 * (time.perf_counter() - started) / len(fast))
    return {"median": statistics.median(times[1:]), "spread": statistics.stdev(times[1:]), "batch": len(fast)}


def link(fast: Showers, refined: Showers) -> float:
    """Mean over cells of the correlation of input and output, each over the incident energy."""
    a, b = metrics.fractions(fast), metrics.fractions(refined)
    moving = (a.std(0) > 0) & (b.std(0) > 0)
    return float(np.mean([np.corrcoef(x, y)[0, 1] for x, y in zip(a.T[moving], b.T[moving], strict=True)]))


def repeated(state: Any, fast: Showers, full: Showers, showers: int = 500, repeats: int = 16) -> dict[str, float]:
    """Width of an observable when one fast shower is refined again and again, over that of the full simulation.

    Root mean squares, the full simulation's in five bins of the incident energy. Two simulations of one particle are
    independent: at a fixed fast shower the full simulation has all of its width at that energy. A map has none.
    """
    some = fast[metrics.subset(len(fast), showers)]
    again = [squirels.refine(jax.random.key(100 + k), state, some) for k in range(repeats)]
    observed = {o.name: o for o in metrics.observables(full) if o.name in REPEATED}
    energy, some_energy = (np.asarray(sample.incident_energy) for sample in (full, some))
    ratios = {}
    for name, observable in observed.items():
        values = np.stack([np.asarray(observable.values(showers), np.float64) for showers in again])
        rows = metrics.response_in_bins(energy, observable.values(full), some_energy, values.mean(0))
        width = np.sqrt(np.mean([row.reference.width**2 for row in rows]))
        ratios[name] = float(np.sqrt(values.var(0, ddof=1).mean()) / width)
    return ratios


REPEATED = ("sum_over_e", "largest_over_e", "cells_above_1mev")
KEYS = ("auc_mlp", "auc_trees", "auc_mlp_above_1mev", "auc_trees_above_1mev")
OBSERVED = ("sum_over_e", "largest_over_e", "cells_above_1mev", "cell_spectrum")


def brief(row: dict[str, Any]) -> dict[str, Any]:
    """The numbers of a row that the documentation quotes."""
    emd = {name: row["observables"][name]["emd_ratio"] for name in OBSERVED}
    beyond = [name for name, o in row["observables"].items() if o["emd"] > o["emd_floor_99"]]
    pulls = [abs(b[f"{moment}_pull"]) for b in row["response"] for moment in ("mean", "width")]
    numbers = {key: row[key] for key in KEYS} | {f"emd_ratio_{name}": value for name, value in emd.items()}
    numbers |= {
        "largest_response_pull": max(pulls),
        "emd_beyond_99_percent": beyond,
        "copies_p": row["copies"]["ks_p_value"],
    }
    timing = {"ms_per_shower": row["ms_per_shower"]["median"]} if "ms_per_shower" in row else {}
    numbers |= {f"repeated_width_{name}": value for name, value in row.get("repeated", {}).items()}
    return numbers | timing | {key: row[key] for key in ("seconds_fit", "input_output_correlation") if key in row}


def summary(results: dict[str, Any]) -> dict[str, Any]:
    """Mean and standard deviation over seeds of every number that `brief` quotes."""
    table: dict[str, Any] = {name: brief(results[name]) for name in ("gflash", "resampled") if name in results}
    for method in METHODS:
        rows = [brief(row) for name, row in results.items() if name.startswith(f"{method}_")]
        if rows:
            table[method] = {key: combined([row[key] for row in rows]) for key in rows[0]}
    return table


def combined(values: list[Any]) -> Any:
    """Mean and standard deviation of numbers; other values as a list."""
    if not isinstance(values[0], float):
        return values
    return {"mean": statistics.fmean(values), "std": statistics.stdev(values) if len(values) > 1 else None}


if __name__ == "__main__":
    main(tyro.cli(Options))
