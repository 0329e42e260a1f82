"""OmniFold on the two Gaussian examples of its reference code, against the exact likelihood ratio.

    .venv/bin/python experiments/omnifold_gaussian.py

minimal: simulation N(0.2, 0.8), data N(0, 1), smeared by 0.5. full: simulation N(0, 1), data N(0.2, 0.8), smeared by
0.5, and 10 percent each of events that are not measured, of events outside of the phase space, and of background
N(0, 1.2). 100,000 events of each sample, all options at their defaults but the number of classifiers in an ensemble.

Expect the weighted mean and width within two standard errors of the truth after five iterations. Results are in
`experiments/results/omnifold_gaussian.json`; the two examples with five seeds take some 10 minutes on two cores.
"""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import tyro

from hepjax import report
from hepjax.pipelines import omnifold
from hepjax.provenance import provenance
from hepjax.training import spec
from hepjax.types import Column, Measured, Unfolded, Unfolding

SMEAR = 0.5
COLUMNS = (Column("x"),)
GRID = np.linspace(-1.5, 1.5, 61)
"""Where the learned ratio is held against the exact one: the central 87 percent of the data's truth or more."""


class Law(NamedTuple):
    """A normal distribution."""

    mean: float
    width: float

    def log_prob(self, x: np.ndarray) -> np.ndarray:
        """ln N(x) up to a constant."""
        return -0.5 * np.square((x - self.mean) / self.width) - np.log(self.width)


class Example(NamedTuple):
    """The truth of simulation and data, and the share of events that fail each level and of background."""

    simulation: Law
    data: Law
    failing: float
    background: Law = Law(0.0, 1.2)


EXAMPLES = {
    "minimal": Example(Law(0.2, 0.8), Law(0.0, 1.0), 0.0),
    "full": Example(Law(0.0, 1.0), Law(0.2, 0.8), 0.1),
}


@dataclasses.dataclass(frozen=True)
class Options:
    """Run both examples."""

    out: Path = Path("experiments/results/omnifold_gaussian.json")
    """File of the results."""
    events: int = 100_000
    """Events of the simulation and of the data."""
    seeds: int = 5
    """Seeds of events and training."""
    config: omnifold.Config = dataclasses.field(default_factory=omnifold.Config)
    """How to unfold."""


def main(options: Options) -> None:
    """Unfold, compare, write."""
    results: dict[str, Any] = {"config": spec.encode(options.config), "events": options.events}
    for name, example in EXAMPLES.items():
        results[name] = [one(example, options, seed) for seed in range(options.seeds)]
        for row in results[name]:
            print(name, {key: row[key] for key in ("mean", "width", "pull_mean", "pull_width", "worst_log_ratio")})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results | {"provenance": provenance()})


def one(example: Example, options: Options, seed: int) -> dict[str, Any]:
    """One seed of an example."""
    rng = np.random.default_rng(seed)
    simulation = pairs(rng, example.simulation, example, options.events)
    truth = pairs(rng, example.data, example, options.events)
    background = normal(rng, example.background, round(example.failing * options.events))
    data = measured(np.append(truth.reco[truth.pass_reco, 0], normal(rng, example.background, len(background))))
    subtracted = measured(background) if len(background) else None
    started, busy = time.perf_counter(), time.process_time()
    state = omnifold.fit(jax.random.key(seed), simulation, data, options.config, background=subtracted)
    seconds, busy = time.perf_counter() - started, time.process_time() - busy
    print(omnifold.table(omnifold.diagnostics(state)), flush=True)
    unfolded = omnifold.unfold(jax.random.key(seed), state, data)
    value, error = moments(unfolded), errors(example, unfolded, data, subtracted)
    pulls = (value - np.array(example.data)) / error
    names = ("mean", "width", "error_mean", "error_width", "pull_mean", "pull_width")
    exact = example.data.log_prob(GRID) - example.simulation.log_prob(GRID)
    learned = np.log(np.asarray(omnifold.push(state, GRID[:, None].astype(np.float32)), np.float64))
    return {
        **dict(zip(names, np.concatenate([value, error, pulls]).tolist(), strict=True)),
        "yield_over_truth": float(np.sum(unfolded.weight) / truth.pass_gen.sum()),
        "worst_log_ratio": float(np.abs((learned - learned.mean()) - (exact - exact.mean())).max()),
        "chi2": np.asarray(omnifold.diagnostics(state).chi2)[:, 0].tolist(),
        "seconds": seconds,
        "cpu_seconds": busy,
    }


def pairs(rng: np.random.Generator, law: Law, example: Example, events: int) -> Unfolding:
    """Events of a truth and their measurement."""
    gen = normal(rng, law, events)
    reco = gen + rng.normal(0, SMEAR, events)
    passes = rng.random((2, events)) >= example.failing
    weight = np.ones(events, np.float32)
    return Unfolding(table(gen), table(reco), weight, passes[0], passes[1], COLUMNS, COLUMNS)


def normal(rng: np.random.Generator, law: Law, events: int) -> np.ndarray:
    """Draws of a law."""
    return rng.normal(law.mean, law.width, events)


def table(x: np.ndarray) -> np.ndarray:
    """A column of float32."""
    return x[:, None].astype(np.float32)


def measured(x: np.ndarray) -> Measured:
    """Events of weight one."""
    return Measured(table(x), np.ones(len(x), np.float32), COLUMNS)


def moments(unfolded: Unfolded) -> np.ndarray:
    """Weighted mean and width."""
    x, weight = np.asarray(unfolded.gen[:, 0], np.float64), np.asarray(unfolded.weight, np.float64)
    mean = np.average(x, weights=weight)
    return np.array([mean, np.sqrt(np.average(np.square(x - mean), weights=weight))])


def errors(example: Example, unfolded: Unfolded, data: Measured, background: Measured | None) -> np.ndarray:
    """Standard errors of the mean and the width: of the data without background, and of the simulation, as weighted
    sums. The smearing is known, so that the variance of the truth has the error of that of the measurement."""
    signs = [(data, 1.0)] if background is None else [(data, 1.0), (background, -1.0)]
    reco = np.concatenate([sample.reco[:, 0] for sample, _ in signs])
    weight = np.concatenate([np.full(len(sample), sign) for sample, sign in signs])
    mean, width = example.data
    variance = np.zeros(2)
    for x, w, square in ((reco, weight, width**2 + SMEAR**2), (unfolded.gen[:, 0], unfolded.weight, width**2)):
        away, share = np.asarray(x, np.float64) - mean, np.asarray(w, np.float64) / np.sum(w, dtype=np.float64)
        variance += share**2 @ away**2, share**2 @ np.square(away**2 - square)
    return np.sqrt(variance) / np.array([1.0, 2 * width])


if __name__ == "__main__":
    main(tyro.cli(Options))
