"""The study of anomalies by likelihood (arXiv:2312.11618): pairs of photons among single photons, over three seeds.

    .venv/bin/python experiments/anomaly.py --background ../shared/data/lar/photons.hdf5 \
        --signal ../shared/data/lar/diphotons.hdf5

The models see the group `train` of the background alone; every number but those of `choices` is measured on its group
`test` and on the signal points, all groups of the other file. The supervised baseline trains on a part of `train` and
on four fifths of a signal point with its reflections, and scores the rest; it is told the incident energies, whose
distributions differ. Rows that stand already in the results are kept, so that a stopped study goes on; `--only seed_0`
runs one of them.

Recorded on 2026-11-22 on a quarter of one core of an AMD EPYC, for one seed: 20 minutes of fit, 20 of scores. A run
should score, one-sided at the estimated energy, AUC 1.000 (m = 5 GeV, 0.33 m), 0.999 (5 GeV, 1 m), 0.927 (0.5 GeV,
0.33 m), 0.990 (0.5 GeV, 1 m) and 0.64 (0.05 GeV, 1 m); known and maximised energies change them by less than 0.001. SIC
of 12.25 is the largest that the floor of 10 in 1,500 background events allows; curves whose cuts all pass fewer events
have no points. Everything is in `experiments/results/anomaly.json`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import tyro

from hepjax import classifiers, data, metrics, nets, report, training
from hepjax.pipelines import anomaly
from hepjax.pipelines.showers import symmetry
from hepjax.provenance import provenance
from hepjax.training import spec
from hepjax.types import Labelled, Showers, State

Scores = Mapping[str, np.ndarray]
BACKGROUND = "background"
SIDES, ENERGIES = ("one", "two"), ("estimated", "known", "maximised")
DRAWS = (1, 4, 8)
AT = (1e-1, 1e-2)
FOLDS = 5
SUPERVISED_BACKGROUND = 1500  # training showers that the classifiers see, twice the signal's with its reflections
HIDDEN = (512, 512)
SUPERVISED = training.Config(epochs=30, batch_size=512, learning_rate=1e-3, weight_decay=1.0, ema=0.99, validation=0.0)


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    background: Path
    """HDF5 file with the groups train and test."""
    signal: Path
    """HDF5 file with a group for each signal point."""
    out: Path = Path("experiments/results")
    """Folder of anomaly.json and its figures."""
    seeds: int = 3
    """Seeds of the fit."""
    only: str = ""
    """Run this row alone, such as seed_0."""
    models: Path = Path("runs/anomaly")
    """Keep the trained models below this folder; a fit that was stopped goes on there."""


def main(options: Options) -> None:
    """Run what is missing, then summarise."""
    train, test = (data.showers.read(f"{options.background}:{group}") for group in ("train", "test"))
    with h5py.File(options.signal) as file:
        points = sorted(map(str, file), key=lambda name: [int(word[1:]) for word in name.split("_")], reverse=True)
    samples = {BACKGROUND: test} | {name: data.showers.read(f"{options.signal}:{name}") for name in points}
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "anomaly.json"
    results: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    jobs: dict[str, Callable[[], dict[str, Any]]] = {"supervised": lambda: supervised(train, samples)}
    for seed in range(options.seeds):
        jobs[f"seed_{seed}"] = functools.partial(study, train, samples, seed, options)
    for name, job in jobs.items():
        if name not in results and options.only in ("", name):
            results[name] = job()
            results["provenance"] = provenance()
            results["summary"] = summary(results)
            report.write_json(path, results)
            print(name, json.dumps(results["summary"]), flush=True)


def study(train: Showers, samples: Mapping[str, Showers], seed: int, options: Options) -> dict[str, Any]:
    """Fit with one seed, and score all samples in all ways."""
    key, config, name = jax.random.key(seed), anomaly.Config(), f"seed_{seed}"
    state = anomaly.fit(key, train, config, folder=options.models / name / "progress", resume=True)
    anomaly.save(options.models / name / "checkpoint", state)
    held = anomaly.hold_out(key, train, config)[1]
    row: dict[str, Any] = {"config": spec.encode(config)}
    row["choices"] = choices(state, {**samples, BACKGROUND: held})
    for energy in ENERGIES:
        scores = both_sides(score_all(state, samples, energy=energy))
        row[energy] = {sides: judge_all(scores[sides]) for sides in SIDES}
        if seed == 0 and energy == "estimated":
            draw(scores, options.out)
    return row


def choices(state: State, samples: Mapping[str, Showers]) -> dict[str, Any]:
    """What the defaults were chosen by, on background that was held out and not on the test sample: AUC of the
    likelihoods of all quantities, and the noise of the score and its AUC for several numbers of draws.
    """
    found: dict[str, Any] = {}
    for quantity in ("density", "coordinates", "layers", "cells"):
        scores = both_sides(score_all(state, samples, quantity=quantity))
        found[quantity] = {sides: {name: area.value for name, area in aucs(scores[sides]).items()} for sides in SIDES}
    for draws in DRAWS:
        config = dataclasses.replace(state.spec.config, draws=draws)
        drawn = state._replace(spec=dataclasses.replace(state.spec, config=config))
        scores, again = (score_all(drawn, samples, seed=seed) for seed in (0, 1))
        noise = np.std(scores[BACKGROUND] - again[BACKGROUND]) / np.sqrt(2)
        found[f"draws_{draws}"] = {"noise": float(noise)} | {name: area.value for name, area in aucs(scores).items()}
    return found


def score_all(
    state: State, samples: Mapping[str, Showers], *, energy: Any = "estimated", seed: int = 0, **options: Any
) -> Scores:
    """One-sided scores of all samples, each with noise of its own."""
    scores = {}
    for number, (name, showers) in enumerate(samples.items()):
        key, at = jax.random.fold_in(jax.random.key(seed), number), showers.incident_energy
        scored = anomaly.score(key, state, showers.voxels, energy=at if energy == "known" else energy, **options)
        scores[name] = np.asarray(scored.score)
    return scores


def both_sides(scores: Scores) -> dict[str, Scores]:
    """One-sided scores, and the two-sided ones, which are their absolute values."""
    return {"one": scores, "two": {name: np.abs(score) for name, score in scores.items()}}


def aucs(scores: Scores) -> dict[str, metrics.Auc]:
    """AUC of every signal point against the background."""
    return {name: metrics.auc(scores[BACKGROUND], signal) for name, signal in scores.items() if name != BACKGROUND}


def sics(scores: Scores) -> dict[str, metrics.Sic]:
    """Significance improvement for every signal point."""
    return {name: metrics.sic(scores[BACKGROUND], x, at=AT) for name, x in scores.items() if name != BACKGROUND}


def rocs(scores: Scores) -> dict[str, metrics.Roc]:
    """ROC curve of every signal point."""
    return {name: metrics.roc(scores[BACKGROUND], x) for name, x in scores.items() if name != BACKGROUND}


def judge_all(scores: Scores) -> dict[str, Any]:
    """AUC and SIC of every signal point, [value, error]: DeLong's of the AUC, bootstrapped of SIC."""
    areas, curves = aucs(scores), sics(scores)
    return {name: judge(areas[name], curves[name]) for name in areas}


def judge(area: metrics.Auc, curve: metrics.Sic) -> dict[str, list[float]]:
    """The numbers of one signal point."""
    at = {f"sic_at_{efficiency:g}": list(estimate) for efficiency, estimate in curve.at.items()}
    return {"auc": list(area), "sic_max": list(curve.maximum), **at}


def supervised(train: Showers, samples: Mapping[str, Showers]) -> dict[str, Any]:
    """A classifier of every signal point, told the incident energy: what knowledge of the signal is worth."""
    background, seen = view(samples[BACKGROUND]), view(train[:SUPERVISED_BACKGROUND])
    row = {}
    for name, showers in samples.items():
        if name != BACKGROUND:
            signal, images = view(showers), symmetry.orientations(showers.geometry)
            scores = {BACKGROUND: np.empty(len(background)), name: np.empty(len(signal))}
            for fold in range(FOLDS):
                mine = np.arange(len(signal)) % FOLDS == fold
                logits = classify(jax.random.key(fold), seen, view(symmetry.turn(showers[~mine], images)))
                scores[name][mine] = logits(signal[mine])
                scores[BACKGROUND][fold::FOLDS] = logits(background[fold::FOLDS])
            row |= judge_all(scores)
    return {"training": spec.encode(SUPERVISED), "points": row}


def classify(key: Any, background: np.ndarray, signal: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The log-odds of a network 505-512-512-1, with both classes of the same weight."""
    x = np.concatenate([background, signal])
    label = np.repeat([0.0, 1.0], [len(background), len(signal)])
    weight = np.where(label == 1, len(background) / len(signal), 1.0)
    classifier = classifiers.binary(nets.mlp(x.shape[1], 1, HIDDEN))
    batch = Labelled(jnp.asarray(x), jnp.asarray(label), None, jnp.asarray(weight))
    params = training.fit(key, classifier, batch, SUPERVISED).params
    return lambda x: np.asarray(classifier.logits(params, jnp.asarray(x)))


def view(showers: Showers) -> np.ndarray:
    """What the classifier sees, of order one: ln(1 + cell / 0.1 MeV) / 3 of all cells, and ln(E / 10 GeV)."""
    return np.column_stack([np.log1p(showers.voxels / 0.1) / 3, np.log(showers.incident_energy / 1e4)])


def draw(scores: Mapping[str, Scores], folder: Path) -> None:
    """Figures of the scores at the estimated energy."""
    titles = {f"{sides}-sided": scored for sides, scored in scores.items()}
    report.write_figure(
        folder / "anomaly_sic.png", report.sic_figure({title: sics(scored) for title, scored in titles.items()})
    )
    report.write_figure(
        folder / "anomaly_roc.png", report.roc_figure({title: rocs(scored) for title, scored in titles.items()})
    )
    background, *signals = ((name, np.arcsinh(scored)) for name, scored in scores["one"].items())
    figure = report.score_figure(background[1], dict(signals), "arcsinh(one-sided anomaly score)")
    report.write_figure(folder / "anomaly_scores.png", figure)


def summary(results: Mapping[str, Any]) -> dict[str, Any]:
    """Mean and standard deviation over seeds of AUC and largest SIC of every signal point."""
    rows = [row for name, row in results.items() if name.startswith("seed_")]
    table: dict[str, Any] = {}
    for energy in ENERGIES if rows else ():
        for sides in SIDES:
            judged = [row[energy][sides] for row in rows]
            table[f"{energy}, {sides}-sided"] = {
                point: {number: over_seeds([one[point][number][0] for one in judged]) for number in ("auc", "sic_max")}
                for point in judged[0]
            }
    return table


def over_seeds(values: list[float]) -> dict[str, float | None]:
    """Mean and standard deviation."""
    return {"mean": statistics.fmean(values), "std": statistics.stdev(values) if len(values) > 1 else None}


if __name__ == "__main__":
    main(tyro.cli(Options))
