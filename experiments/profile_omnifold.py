"""The Gaussian example of Profile OmniFold (arXiv:2409.10421): pulls of the nuisance parameter, and the spectrum.

    .venv/bin/python experiments/profile_omnifold.py

X ~ N(mu, 1), Y1 = X + N(0, 1), Y2 = X + N(0, theta^2); truth mu = 0.8, theta = 1.5, simulation mu = 0 and theta = 1.
Data and simulation are drawn anew for every seed. All fits of a study share what is compiled. Fits are kept below
`--fits`, so that a stopped study goes on. One core takes a quarter of an hour.

Weights to theta = 1.5 from theta = 1 have no finite variance (theta^2 > 2), so that the simulation limits the result:
the study `near` has the data of `small`, and a simulation with theta = 1.25, from which the weights are tame.
Everything is in `experiments/results/profile_omnifold.json`.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from matplotlib.figure import Figure

from hepjax import metrics, report
from hepjax.pipelines import profile_omnifold
from hepjax.pipelines.profile_omnifold.config import CLASSIFIER
from hepjax.provenance import provenance
from hepjax.report.style import COLOURS, house_style, new_figure
from hepjax.training import spec
from hepjax.types import Column, Measured, Unfolding

MU, THETA = 0.8, 1.5
GEN, RECO = (Column("x"),), (Column("y1"), Column("y2"))
EDGES = np.linspace(-3.2, 4.8, 33)
SHOWN = "full"
FIRST = 2000
"""First seed of every study; the recipe of the training was chosen on others, below it."""


@dataclasses.dataclass(frozen=True)
class Study:
    """Events of data and simulation, theta of the simulation, fits, passes over the events in a training."""

    data: int
    simulation: int
    nominal: float
    seeds: int
    epochs: int


STUDIES = {
    "small": Study(10_000, 200_000, 1.0, 100, 3),
    "full": Study(100_000, 100_000, 1.0, 20, 3),
    "near": Study(10_000, 50_000, 1.25, 20, 10),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    out: Path = Path("experiments/results")
    """Folder of profile_omnifold.json and its figures."""
    fits: Path = Path("runs/profile_omnifold")
    """Folder of what each fit found."""
    studies: tuple[str, ...] = tuple(STUDIES)
    """Which of them."""


def main(options: Options) -> None:
    """Fit what is missing, collect, draw."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name in options.studies:
        for seed in range(FIRST, FIRST + STUDIES[name].seeds):
            found.setdefault(name, []).append(kept(options.fits / f"{name}_{seed}.json", STUDIES[name], seed))
            print(name, seed, {key: found[name][-1][key] for key in ("theta", "sigma", "seconds")}, flush=True)
    results = {
        "studies": {name: summary(STUDIES[name], fits) for name, fits in found.items()},
        "config": spec.encode(config(STUDIES[SHOWN])),
        "provenance": provenance(),
    }
    options.out.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out / "profile_omnifold.json", results)
    draw(options.out, found)


def config(study: Study) -> profile_omnifold.Config:
    """Small classifiers, some 75 steps in each training."""
    theta = profile_omnifold.Nuisance("theta", study.nominal, low=0.5, high=3.0)
    training = dataclasses.replace(CLASSIFIER, epochs=study.epochs, epochs_per_call=study.epochs)
    return profile_omnifold.Config((theta,), training=training)


@functools.cache
def response_from(nominal: float) -> profile_omnifold.Response:
    """log N(y2 - x; 0, theta^2) / N(y2 - x; 0, nominal^2)."""

    def response(gen, reco, theta):
        z = reco[1] - gen[0]
        return 0.5 * z**2 * (nominal**-2 - theta[0] ** -2) - jnp.log(theta[0] / nominal)

    return response


def kept(path: Path, study: Study, seed: int) -> dict[str, Any]:
    """What a fit found, now or before."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        report.write_json(path, fit(study, seed))
    return json.loads(path.read_text())


def fit(study: Study, seed: int) -> dict[str, Any]:
    """Fit one seed."""
    rng, started = np.random.default_rng(seed), time.perf_counter()
    truth = rng.normal(MU, 1, (study.data, 1))
    measured = truth + rng.normal(size=(study.data, 2)) * [1, THETA]
    gen = rng.normal(0, 1, (study.simulation, 1))
    reco = gen + rng.normal(size=(study.simulation, 2)) * [1, study.nominal]
    every = np.ones(study.simulation, bool)
    simulation = Unfolding(gen, reco, np.ones(study.simulation), every, every, GEN, RECO)
    data = Measured(measured, np.ones(study.data), RECO)
    key = jax.random.key(seed)
    state = profile_omnifold.fit(key, simulation, data, response_from(study.nominal), config(study))
    found, steps = profile_omnifold.estimate(state), profile_omnifold.iterations(state)
    unfolded = profile_omnifold.unfold(key, state, data)
    x, weight = np.asarray(unfolded.gen[:, 0], float), np.asarray(unfolded.weight, float)
    mean = np.average(x, weights=weight)
    return {
        "theta": float(found.theta[0]),
        "sigma": float(found.covariance[0, 0]) ** 0.5,
        "missing": float(found.missing),
        "by_iteration": np.asarray(steps.theta)[:, 0],
        "converged": bool(steps.converged.all()),
        "effective": float(steps.reco.effective[-1]),
        "clipped": float(steps.reco.clipped[-1]),
        "mean": mean,
        "width": np.sqrt(np.average((x - mean) ** 2, weights=weight)),
        "unfolded": np.histogram(x, EDGES, weights=weight)[0],
        "truth": np.histogram(truth[:, 0], EDGES)[0],
        "prior": np.histogram(gen[:, 0], EDGES)[0],
        "seconds": time.perf_counter() - started,
    }


def information(theta: float) -> float:
    """Information of one event on theta with a free spectrum, in closed form, at a spectrum of unit width.

    S = (t y1 + y2) / (1 + t) with t = theta^2 depends on x alone, with variance v = t / (1 + t) given x; the rest is
    D = y1 - y2 ~ N(0, 1 + t), which tells of theta by its width and by its product with S.
    """
    t = theta**2
    v = t / (1 + t)
    return 2 * t / (1 + t) ** 2 + 4 / (t * (1 + t)) * v**2 / (1 + v)


def summary(study: Study, fits: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Means and widths over the seeds, with their errors."""
    column = {name: np.array([row[name] for row in fits], float) for name in fits[0] if np.isscalar(fits[0][name])}
    pulls = (column["theta"] - THETA) / column["sigma"]
    return {
        **dataclasses.asdict(study),
        "theta": metrics.moments(column["theta"])._asdict(),
        "pull": metrics.moments(pulls)._asdict(),
        "sigma": float(np.median(column["sigma"])),
        "sigma_of_infinite_simulation": (study.data * information(THETA)) ** -0.5,
        "sigma_of_complete_data": (study.data * 2 / THETA**2) ** -0.5,
        "mean_of_x": metrics.moments(column["mean"])._asdict(),
        "width_of_x": metrics.moments(column["width"])._asdict(),
        **{name: float(column[name].mean()) for name in ("missing", "converged", "effective", "clipped", "seconds")},
        "fits": [{name: row[name] for name in ("theta", "sigma")} for row in fits],
    }


def draw(out: Path, found: dict[str, list[dict[str, Any]]]) -> None:
    """Pulls of every study, theta by iteration, and the spectrum of x."""
    pulls = {name: np.array([(row["theta"] - THETA) / row["sigma"] for row in fits]) for name, fits in found.items()}
    report.write_figure(out / "profile_omnifold_pulls.png", pull_figure(pulls))
    shown = found.get(SHOWN, next(iter(found.values())))
    report.write_figure(out / "profile_omnifold_theta.png", theta_figure(shown))
    report.write_figure(out / "profile_omnifold_spectrum.png", spectrum_figure(shown))


def pull_figure(pulls: dict[str, np.ndarray]) -> Figure:
    """A panel a study, beside the standard normal law."""
    edges = np.linspace(-4, 4, 17)
    grid = np.linspace(-4, 4, 201)
    with house_style():
        figure = new_figure(3.6 * len(pulls) + 0.4, 3.4)
        for axes, (name, values) in zip(figure.subplots(1, len(pulls), squeeze=False)[0], pulls.items(), strict=True):
            study = STUDIES[name]
            axes.hist(np.clip(values, -4, 4), edges, color=COLOURS[1], alpha=0.45)
            axes.plot(grid, len(values) * 0.5 * np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi), color=COLOURS[0])
            axes.set_title(
                f"{name}: {study.data:,} events, {study.simulation:,} simulated at {study.nominal}\n"
                f"mean {values.mean():.2f}, width {values.std(ddof=1):.2f}",
                fontsize=9,
            )
            axes.set_xlabel(r"$(\hat{\theta} - \theta)\,/\,\sigma$")
        return figure


def theta_figure(fits: Sequence[dict[str, Any]]) -> Figure:
    """theta after each iteration, a line a seed."""
    with house_style():
        figure = new_figure(5.2, 4.0)
        axes = figure.subplots()
        for row in fits:
            axes.plot(np.arange(1, 1 + len(row["by_iteration"])), row["by_iteration"], color=COLOURS[1], alpha=0.4)
        axes.axhline(THETA, color=COLOURS[0], linestyle="--", label="truth")
        axes.set(xlabel="Iteration", ylabel=r"$\hat{\theta}$")
        axes.legend(loc="lower right")
        return figure


def spectrum_figure(fits: Sequence[dict[str, Any]]) -> Figure:
    """Truth, prior and unfolded events of the first seed; the band is the spread of all seeds."""
    with house_style():
        figure = new_figure(5.2, 4.8)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1), gridspec_kw={"hspace": 0.0})
        truth = np.array(fits[0]["truth"], float)
        expected = np.mean([row["truth"] for row in fits], axis=0)
        ratios = np.array([row["unfolded"] for row in fits]) / expected
        for k, name in enumerate(("truth", "prior", "unfolded")):
            values = np.array(fits[0][name], float) * truth.sum() / np.sum(fits[0][name])
            top.stairs(values, EDGES, color=COLOURS[k], label=name, fill=not k, alpha=0.3 if not k else 1)
            if k:
                bottom.stairs(values / expected, EDGES, color=COLOURS[k], baseline=None)
        middle, spread = ratios.mean(0), ratios.std(0, ddof=1)
        bottom.stairs(middle + spread, EDGES, baseline=middle - spread, fill=True, color=COLOURS[2], alpha=0.3)
        bottom.axhline(1, color=COLOURS[0], linewidth=1)
        bottom.set(ylim=(0.7, 1.3), xlabel="x", ylabel="Ratio", xlim=(EDGES[0], EDGES[-1]))
        top.set_ylabel("Events per bin")
        top.legend()
        return figure


if __name__ == "__main__":
    main(tyro.cli(Options))
