"""OmniFold against the package `omnifold` (TensorFlow) on the same CPU: the same data, nets, batches and epochs.

    .venv/bin/python -m pip install -e '.[bench]'
    .venv/bin/python experiments/benchmarks/omnifold.py [--file ../shared/data/zjets/zjets.hdf5]

Both unfold the minimal Gaussian example (simulation N(0.2, 0.8), data N(0, 1), smeared by 0.5, 100,000 events each)
and, with `--file`, six observables of Z + jets (Pythia as simulation, Vincia as data). Every classifier is a perceptron
with 64, 128 and 64 hidden units and trains for all its epochs on 80 percent of the events; the weights of the epoch
with the lowest validation loss are taken. Times are those of a user: from the arrays to the weights, with compilation.
CPU seconds count all threads, and are what to compare on a machine that does other work too.

The distance is the EMD between the unfolded and the true events of the data, over its mean between two samples of the
truth. Results with versions and date: `experiments/benchmarks/results/omnifold.json`.
"""

# pyright: reportMissingImports=false, reportAttributeAccessIssue=false
from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from hepjax import data as readers
from hepjax import metrics, report
from hepjax.pipelines import omnifold
from hepjax.provenance import provenance
from hepjax.types import Column, Measured, Unfolding

HERE = Path(__file__).parent
HIDDEN = (64, 128, 64)
ONE_COLUMN = (Column("x"),)


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = HERE / "results" / "omnifold.json"
    """File of the results."""
    file: Path | None = None
    """HDF5 file with the groups pythia and vincia."""
    events: int = 100_000
    """Events of the Gaussian example."""
    iterations: int = 5
    """Iterations of OmniFold."""
    epochs: int = 20
    """Epochs of each classifier."""
    batch: int = 2048
    """Events in a step."""
    rates: tuple[float, ...] = (1e-3,)
    """Learning rates to run the package with, which keeps it constant."""
    seed: int = 0
    """Of the training of both."""


@dataclasses.dataclass(frozen=True)
class Case:
    """A problem, and its truth (n, d)."""

    simulation: Unfolding
    data: Measured
    truth: np.ndarray


def main(options: Options) -> None:
    """Time both on every case, print and write the results."""
    jax.config.update("jax_platforms", "cpu")
    cases = {"gaussian": gaussian(options.events)}
    if options.file is not None:
        cases["zjets"] = zjets(options.file)
    results: dict[str, Any] = {
        name: value for name, value in dataclasses.asdict(options).items() if name not in ("out", "file")
    }
    for name, case in cases.items():
        contestants: dict[str, Callable[[], np.ndarray]] = {"hepjax": lambda case=case: ours(case, options)}
        for rate in options.rates:
            contestants[f"omnifold, rate {rate:g}"] = lambda case=case, rate=rate: theirs(case, options, rate)
        results[name] = {title: measure(case, run) for title, run in contestants.items()}
        fast = results[name]["hepjax"]
        for title, row in results[name].items():
            row["wall_over_hepjax"] = row["seconds"] / fast["seconds"]
            row["cpu_over_hepjax"] = row["cpu_seconds"] / fast["cpu_seconds"]
            print(name, title, row, flush=True)
    packages = {package: version(package) for package in ("omnifold", "tensorflow", "keras")}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results | {"provenance": provenance() | packages})


def gaussian(events: int) -> Case:
    """The minimal example."""
    rng = np.random.default_rng(0)
    gen, truth = (rng.normal(mean, width, (events, 1)).astype(np.float32) for mean, width in ((0.2, 0.8), (0.0, 1.0)))
    reco, seen = (x + rng.normal(0, 0.5, (events, 1)).astype(np.float32) for x in (gen, truth))
    ones, passes = np.ones(events, np.float32), np.ones(events, bool)
    simulation = Unfolding(gen, reco, ones, passes, passes, ONE_COLUMN, ONE_COLUMN)
    return Case(simulation, Measured(seen, ones, ONE_COLUMN), truth)


def zjets(file: Path) -> Case:
    """Vincia unfolded with Pythia."""
    simulation, data = readers.unfolding.read(f"{file}:pythia"), readers.unfolding.read(f"{file}:vincia")
    return Case(simulation, Measured(data.reco, data.weight, data.reco_columns), np.asarray(data.gen))


def ours(case: Case, options: Options) -> np.ndarray:
    """Weights of hepjax, with the recipe of its defaults, but no early end."""
    config = omnifold.Config()
    training = dataclasses.replace(
        config.training, epochs=options.epochs, batch_size=options.batch, patience=0, validation=0.2
    )
    config = dataclasses.replace(config, iterations=options.iterations, hidden=HIDDEN, members=1, training=training)
    state = omnifold.fit(jax.random.key(options.seed), case.simulation, case.data, config)
    return np.asarray(omnifold.unfold(jax.random.key(0), state, case.data).weight, np.float64)


def theirs(case: Case, options: Options, rate: float) -> np.ndarray:
    """Weights of the package; its inputs are standardised, as its examples do."""
    peer = package()
    peer.net.keras.utils.set_random_seed(options.seed)
    gen, reco, seen = (np.asarray(x) for x in (case.simulation.gen, case.simulation.reco, case.data.reco))
    simulation = peer.DataLoader(reco=scaled(reco, reco), gen=scaled(gen, gen), normalize=True)
    data = peer.DataLoader(reco=scaled(seen, reco), normalize=True)
    with tempfile.TemporaryDirectory() as folder:
        unfolding = peer.MultiFold(
            "benchmark",
            peer.MLP(reco.shape[1], list(HIDDEN)),
            peer.MLP(gen.shape[1], list(HIDDEN)),
            data,
            simulation,
            weights_folder=folder,
            log_folder=folder,
            niter=options.iterations,
            batch_size=options.batch,
            epochs=options.epochs,
            early_stop=options.epochs,
            lr=rate,
        )
        unfolding.Unfold()
    return np.asarray(unfolding.weights_push, np.float64)


def package() -> Any:
    """The package, whose name this file has too: Python looks into the folder of a script first."""
    sys.path[:] = [path for path in sys.path if Path(path).resolve() != HERE.resolve()]
    import omnifold
    import omnifold.net
    from keras import saving

    # It clones compiled models, and Keras 3 then looks for their loss among the registered ones.
    loss = omnifold.net.weighted_binary_crossentropy
    saving.get_custom_objects()[loss.__name__] = loss
    return omnifold


def scaled(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """z-scores."""
    return ((x - by.mean(0)) / by.std(0)).astype(np.float32)


def measure(case: Case, run: Callable[[], np.ndarray]) -> dict[str, Any]:
    """Time of a whole unfolding, and the distance that it leaves."""
    started, busy = time.perf_counter(), time.process_time()
    weight = run()
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    gen = np.asarray(case.simulation.gen, np.float64)
    sides = metrics.halves(len(case.truth), 50)
    floor = np.array([metrics.emd_floor(x, len(x), sides).mean for x in case.truth.T])
    distance = np.asarray(metrics.wasserstein(gen, case.truth.astype(np.float64), weight))
    over = distance / floor
    return {
        "seconds": seconds,
        "cpu_seconds": busy,
        "emd": distance.tolist(),
        "emd_over_floor": over.tolist(),
        "mean_emd_over_floor": float(over.mean()),
    }


if __name__ == "__main__":
    main(tyro.cli(Options))
