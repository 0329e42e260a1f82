"""The study of calibration by maximum likelihood (arXiv:2404.18992): flows and a regressor, two priors, three seeds.

    .venv/bin/python experiments/calibration.py --file ../shared/data/lar/photons.hdf5

Models see the group `train`, of uniform energies, as it is and with weights 1/E, which make it log-uniform; every
number is measured on the group `test`. Fitted flows are kept below `--models`, so that a stopped study goes on.

The ensemble's recipe (hidden units, components, weight decay) was chosen by four-fold cross-validation within `train`:
coverage and resolution of held-out showers. Everything is in `experiments/results/calibration.json`.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from hepjax import data, metrics, report
from hepjax.metrics.response import CENTRAL_68
from hepjax.pipelines import calibration
from hepjax.pipelines.calibration import regressor as calibration_regressor
from hepjax.pipelines.calibration.verbs import Calibrated
from hepjax.provenance import provenance
from hepjax.training import spec
from hepjax.types import Showers, State

PRIORS = {"uniform": 0.0, "log_uniform": -1.0}
"""Power of the energy that weights the training showers."""
EDGES = np.linspace(3e3, 47e3, 9)
EDGE_BINS = {"low": (1e3, 3e3), "high": (47e3, 50e3)}
BOOTSTRAPS = 500


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    file: Path
    """HDF5 file with the groups train and test."""
    out: Path = Path("experiments/results")
    """Folder of calibration.json and its figures."""
    seeds: int = 3
    """Seeds of each training."""
    models: Path = Path("runs/calibration")
    """Folder of the trained flows."""


def main(options: Options) -> None:
    """Train what is missing, measure everything, draw."""
    train, test = (data.showers.read(f"{options.file}:{group}") for group in ("train", "test"))
    truth = np.asarray(test.incident_energy)
    states, found, regressed = {}, {}, {}
    for prior, power in PRIORS.items():
        weight = np.asarray(train.incident_energy, float) ** power
        for seed in range(options.seeds):
            state = states[prior, seed] = flow(train, weight, prior, seed, options.models)
            found[prior, seed] = jax.tree.map(np.asarray, calibration.calibrate(state, test.voxels))
            mse = calibration_regressor.fit(jax.random.key(seed), train, weight=weight)
            regressed[prior, seed] = np.asarray(calibration_regressor.predict(mse, test.voxels))
            print(prior, seed, coverage(truth, found[prior, seed]), flush=True)
    state = states["uniform", 0]
    results = {
        "config": spec.encode(state.spec.config),
        "methods": {
            f"{name}_{prior}_{seed}": method(truth, *columns(rows[prior, seed]))
            for name, rows in (("flow", found), ("mse", regressed))
            for prior, seed in rows
        },
        "coverage": {f"{prior}_{seed}": coverage(truth, row)._asdict() for (prior, seed), row in found.items()},
        "prior_difference": {
            "flow": prior_difference(truth, {key: row.energy_mev for key, row in found.items()}, options.seeds),
            "mse": prior_difference(truth, regressed, options.seeds),
        },
        "resolution_over_mse": {
            f"{prior}_{seed}": resolution_ratio(truth, found[prior, seed].energy_mev, regressed[prior, seed])._asdict()
            for prior, seed in found
        },
        "flags": {name: float(getattr(found["uniform", 0], name).mean()) for name in ("converged", "in_range")},
        "ms_per_shower": milliseconds(state, np.asarray(test.voxels[:1000])),
        "derivatives": derivatives(state, np.asarray(test.voxels[:20])),
        "provenance": provenance(),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out / "calibration.json", results)
    draw(options.out, test, state, found, regressed)


def flow(train: Showers, weight: np.ndarray, prior: str, seed: int, models: Path) -> State:
    """The ensemble of one prior and seed, fitted or read."""
    path = models / f"{prior}_{seed}"
    if not path.exists():
        models.mkdir(parents=True, exist_ok=True)
        calibration.save(path, calibration.fit(jax.random.key(seed), train, weight=weight))
    return calibration.load(path)


def columns(row: Calibrated | np.ndarray) -> tuple[Any, Any]:
    """Energies and, of flows, the distances to the ends of their intervals."""
    return (row.energy_mev, (row.sigma_low_mev, row.sigma_high_mev)) if isinstance(row, Calibrated) else (row, None)


def method(truth: np.ndarray, energy: np.ndarray, sigma: Any) -> dict[str, Any]:
    """Response, resolution and coverage in bins of the true energy, and the median response beyond the bins."""
    bins = metrics.calibration_in_bins(truth, energy, EDGES, sigma)
    quantities = ("mode", "median", "half_width", "resolution", "coverage")
    table = {
        name: [None if (value := getattr(b, name)) is None else value._asdict() for b in bins] for name in quantities
    }
    response = energy / truth
    edges = {
        name: metrics.median(response[(truth >= low) & (truth < high)])._asdict()
        for name, (low, high) in EDGE_BINS.items()
    }
    return table | {"events": [b.events for b in bins], "median_at_edge": edges}


def within(truth: np.ndarray) -> np.ndarray:
    """The bin of every shower, -1 below them and 8 above."""
    return np.searchsorted(EDGES, truth, side="right") - 1


def coverage(truth: np.ndarray, found: Calibrated) -> metrics.Estimate:
    """Share of the intervals that hold the true energy, over all bins."""
    inside = (EDGES[0] <= truth) & (truth < EDGES[-1])
    away = truth - found.energy_mev
    covered = np.asarray((-found.sigma_low_mev <= away) & (away <= found.sigma_high_mev))
    return metrics.fraction(covered[inside])


def prior_difference(
    truth: np.ndarray, energies: dict[tuple[str, int], np.ndarray], seeds: int
) -> dict[str, list[float]]:
    """Median relative change of the estimates from the uniform to the log-uniform prior, in every bin.

    difference: mean over seeds. retraining_error: standard deviation over seeds, that of one pair of trainings.
    """
    ratios = [energies["log_uniform", s] / energies["uniform", s] - 1 for s in range(seeds)]
    table = np.array([[np.median(r[within(truth) == k]) for k in range(len(EDGES) - 1)] for r in ratios])
    error = table.std(0, ddof=1) if seeds > 1 else np.full(table.shape[1], np.nan)
    return {"difference": table.mean(0).tolist(), "retraining_error": error.tolist()}


def resolution_ratio(truth: np.ndarray, flow: np.ndarray, mse: np.ndarray) -> metrics.Estimate:
    """Half of the central 68 percent of (E_hat / E / r - 1) sqrt(E), flow over MSE, with a paired bootstrap error.

    r is the median response of the method in the shower's bin, the correction that both get alike.
    """
    place = within(truth)
    rows = (place >= 0) & (place < len(EDGES) - 1)

    def residual(estimate):
        response = estimate / truth
        medians = np.array([np.median(response[place == k]) for k in range(len(EDGES) - 1)])
        return ((response[rows] / medians[place[rows]]) - 1) * np.sqrt(truth[rows])

    def half_width(x):
        low, high = np.quantile(x, CENTRAL_68, axis=-1)
        return high - low

    a, b = residual(flow), residual(mse)
    drawn = metrics.draws(len(a), BOOTSTRAPS)
    ratios = half_width(a[drawn]) / half_width(b[drawn])
    return metrics.Estimate(float(half_width(a) / half_width(b)), float(ratios.std(ddof=1)))


def milliseconds(state: State, voxels: np.ndarray, repeats: int = 9) -> dict[str, float]:
    """Time to calibrate a shower of a batch, after compilation."""
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        jax.block_until_ready(calibration.calibrate(state, voxels))
        times.append(1e3 * (time.perf_counter() - started) / len(voxels))
    times = times[1:]
    return {
        "median": statistics.median(times),
        "least": min(times),
        "spread": statistics.stdev(times),
        "batch": len(voxels),
    }


def derivatives(state: State, voxels: np.ndarray, step_mev: float = 1e-2) -> dict[str, float]:
    """d E_hat / d cell in float64 against central differences: the largest cell of each shower, the worst deviation."""
    with jax.enable_x64():
        double = State(state.spec, *jax.tree.map(lambda a: jnp.asarray(np.asarray(a, np.float64)), state[1:]))
        cells = jnp.asarray(voxels, float)
        way = jax.nn.one_hot(jnp.argmax(cells, -1), cells.shape[-1], dtype=cells.dtype)

        def energies(v):
            return calibration.calibrate(double, v).energy_mev

        ahead = jax.jvp(energies, (cells,), (way,))[1]
        numeric = (energies(cells + step_mev * way) - energies(cells - step_mev * way)) / (2 * step_mev)
        worst = np.abs(ahead / numeric - 1).max()
        return {"worst_relative_deviation": float(worst), "mean_mev_per_mev": float(ahead.mean())}


def draw(out: Path, test: Showers, state: State, found: dict, regressed: dict) -> None:
    """Response and resolution of both methods and priors, and the likelihood of four showers."""
    truth = np.asarray(test.incident_energy)
    bins = {
        f"{name}, {prior.replace('_', '-')}": metrics.calibration_in_bins(truth, *columns(rows[prior, 0])[:1], EDGES)
        for name, rows in (("likelihood", found), ("MSE", regressed))
        for prior in PRIORS
    }
    report.write_figure(out / "calibration_response.png", report.calibration_figure(bins))
    order = np.argsort(truth)
    rows = order[np.linspace(0, len(order) - 1, 6).astype(int)[1:-1]]
    shown = jax.tree.map(lambda a: a[rows], found["uniform", 0])
    ends = np.stack(
        [shown.energy_mev - shown.sigma_low_mev, shown.energy_mev, shown.energy_mev + shown.sigma_high_mev], 1
    )
    reach = 3.5 * np.stack([-shown.sigma_low_mev, shown.sigma_high_mev], 1)
    energy = np.linspace(shown.energy_mev + reach[:, 0], shown.energy_mev + reach[:, 1], 201, axis=1)
    curve = calibration.log_likelihood(state, test.voxels[rows], energy)
    drop = -2 * (np.asarray(curve) + shown.nll[:, None])
    figure = report.likelihood_figure(energy, drop, ends, truth[rows])
    report.write_figure(out / "calibration_likelihood.png", figure)


if __name__ == "__main__":
    main(tyro.cli(Options))
