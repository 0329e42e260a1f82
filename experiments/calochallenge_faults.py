"""Which metric of the CaloChallenge (arXiv:2410.21611) sees which fault?

    .venv/bin/python experiments/calochallenge_faults.py --showers ../shared/data/siw/photons.hdf5

Two independent samples of 1,000 Geant4 photons in the voxels of set 2. Group `a` is the reference; group `b` is
evaluated as it is, which shows the floor, and with a fault each:

    shuffled    the 45 layers in another order, the same for all showers
    scaled      all energies 2 percent higher
    rotated     each shower as a whole turned by a random number of bins of alpha: a symmetry, no fault
    twisted     each layer of a shower turned by a random number of bins of its own
    smeared     each filled voxel times a log-normal number of width 0.3: right on average, too noisy
    repeated    50 showers, 20 times each: nearly right in all histograms, without variety

A kind of histogram sees a fault when the separation powers of more than 5 percent of them, one or 45 layers, lie beyond
the 99 percent quantile of their floors, every other metric when it lies more than three of its errors from its value
for `b`. At the end all samples are submissions of one challenge, and a classifier of seven classes says for which of
them it takes the reference.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from hepjax import data, evaluation, report
from hepjax.evaluation.calochallenge_config import Config
from hepjax.provenance import provenance
from hepjax.types import Showers

SIGMAS = 3.0
HISTOGRAMS = 0.05


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    showers: Path
    """HDF5 file with the groups a and b."""
    out: Path = Path("experiments/results")
    """Folder of calochallenge_faults.json."""
    asked: tuple[str, ...] = ("separation", "fpd", "kpd", "prdc", "low", "low_normed", "high")
    """Metrics; those that stand already in the results are kept."""
    seed: int = 0
    """Seed of the classifiers."""
    config: Config = Config()  # noqa: RUF009 - frozen
    """Options of the classifiers."""


def main(options: Options) -> None:
    """Evaluate every faulty sample, and write after each what there is."""
    path = options.out / "calochallenge_faults.json"
    results = json.loads(path.read_text()) if path.exists() else {"scores": {}, "epochs": {}}
    reference, sample = (data.showers.read(f"{options.showers}:{group}") for group in "ab")
    for name, fault in FAULTS.items():
        done = results["epochs"].setdefault(name, {})
        asked = [metric for metric in options.asked if metric not in done]
        if asked:
            found = scores(options, asked, reference, fault(np.random.default_rng(1), sample))
            results["scores"][name] = results["scores"].get(name, {}) | found
            done |= dict.fromkeys(asked, options.config.epochs)
            results["provenance"] = provenance()
            report.write_json(path, results)
    if "log_posterior" not in results:
        results["log_posterior"] = log_posteriors(options, reference, sample)
    results["seen"] = {name: seen(found, results["scores"]["b"]) for name, found in results["scores"].items()}
    report.write_json(path, results)
    print(table(results["seen"]))


def scores(options: Options, asked: Sequence[str], reference: Showers, sample: Showers) -> dict[str, Any]:
    """The metrics of a sample; of the separation powers, by kind of histogram, the fraction beyond the floor."""
    comparison = evaluation.calochallenge.evaluate(
        jax.random.key(options.seed), "2", reference, {"sample": sample}, asked=asked, config=options.config
    )
    found = dict(comparison.scores["sample"])
    if "separation" in found:
        beyond: dict[str, list[bool]] = {}
        for name, row in found["separation"].items():
            kind = name.partition("_layer_")[0]
            beyond.setdefault(kind, []).append(row["separation_all"] > row["separation_all_floor_99"])
        found["separation"] = {kind: float(np.mean(layers)) for kind, layers in beyond.items()}
    return found


def log_posteriors(options: Options, reference: Showers, sample: Showers) -> dict[str, Any]:
    """All samples as submissions of one challenge: which of them the reference is taken for."""
    samples = {name: fault(np.random.default_rng(1), sample) for name, fault in FAULTS.items()}
    comparison = evaluation.calochallenge.evaluate(
        jax.random.key(options.seed), "2", reference, samples, asked=("multiclass",), config=options.config
    )
    return {name: dict(score) for name, score in comparison.scores.items()}


def seen(found: Mapping[str, Any], floor: Mapping[str, Any]) -> dict[str, bool]:
    """By metric, whether the fault shows."""
    verdicts = {f"separation {kind}": beyond > HISTOGRAMS for kind, beyond in found["separation"].items()}
    for name in found:
        if f"{name}_error" in found:
            error = np.hypot(found[f"{name}_error"], floor[f"{name}_error"])
            verdicts[name] = bool(abs(found[name] - floor[name]) > SIGMAS * error)
    return verdicts


def table(verdicts: Mapping[str, Mapping[str, bool]]) -> str:
    """Metrics in rows, faults in columns."""
    rows = [["", *verdicts]]
    for metric in next(iter(verdicts.values())):
        rows.append([metric, *("yes" if verdict[metric] else "-" for verdict in verdicts.values())])
    return "\n".join(f"{head:<28}" + "".join(f"{entry:>10}" for entry in row) for head, *row in rows)


def unchanged(rng: np.random.Generator, showers: Showers) -> Showers:
    """The showers as they are."""
    del rng
    return showers


def shuffled(rng: np.random.Generator, showers: Showers) -> Showers:
    """The layers in another order."""
    return _of_grid(showers, lambda grid: grid[:, rng.permutation(grid.shape[1])])


def scaled(rng: np.random.Generator, showers: Showers) -> Showers:
    """All energies 2 percent higher."""
    del rng
    return _of_grid(showers, lambda grid: 1.02 * grid)


def rotated(rng: np.random.Generator, showers: Showers) -> Showers:
    """Each shower turned as a whole."""
    turns = rng.integers(showers.geometry.shape[1], size=(len(showers), 1))
    return _of_grid(showers, lambda grid: _turned(grid, turns))


def twisted(rng: np.random.Generator, showers: Showers) -> Showers:
    """Each layer turned on its own."""
    turns = rng.integers(showers.geometry.shape[1], size=(len(showers), showers.geometry.shape[0]))
    return _of_grid(showers, lambda grid: _turned(grid, turns))


def smeared(rng: np.random.Generator, showers: Showers) -> Showers:
    """Each voxel times a log-normal number of mean one."""
    return _of_grid(showers, lambda grid: grid * rng.lognormal(-0.5 * 0.3**2, 0.3, grid.shape))


def repeated(rng: np.random.Generator, showers: Showers) -> Showers:
    """50 showers over and over."""
    return showers[np.resize(rng.choice(len(showers), 50, replace=False), len(showers))]


def _of_grid(showers: Showers, change: Callable[[np.ndarray], np.ndarray]) -> Showers:
    """Showers with their grid (n, layers, alpha, r) changed."""
    grid = np.reshape(showers.voxels, (len(showers), *showers.geometry.shape))
    voxels = np.asarray(change(grid), np.float32).reshape(len(showers), -1)
    return Showers(showers.incident_energy, voxels, showers.geometry)


def _turned(grid: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Layers turned in alpha by (n, layers or 1) bins."""
    bins = grid.shape[2]
    places = (np.arange(bins) - turns[..., None]) % bins
    return np.take_along_axis(grid, np.broadcast_to(places[..., None], grid.shape), axis=2)


FAULTS: dict[str, Callable[[np.random.Generator, Showers], Showers]] = {
    "b": unchanged,
    "shuffled": shuffled,
    "scaled": scaled,
    "rotated": rotated,
    "twisted": twisted,
    "smeared": smeared,
    "repeated": repeated,
}


if __name__ == "__main__":
    main(tyro.cli(Options))
