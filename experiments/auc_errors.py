"""What is the error of the AUC of pooled folds? Repeats of samples of known laws, for `metrics.cross_validated`.

    .venv/bin/python experiments/auc_errors.py

Two samples of n Gaussian events of d features, one of them shifted in the first, are drawn again and again, and a
classifier is trained and scored in three folds: along the difference of the means (`linear`, 300 repeats), by boosted
trees and by a small network (`trees`, `mlp`, 40 repeats), with weights between 0.2 and 2 in `weighted`, and with a
correlation of 0.8 between the samples' events in `paired`. The results hold, of every setting, the mean AUC, the spread
of the repeats, which is known to 1 / sqrt(2 repeats), the mean quoted error, and that of a fixed score (DeLong's).

Without a difference the spread is sqrt(2) times DeLong's error: 1.34 to 1.40 times it for `linear`, 1.22 to 1.45, known
to a tenth, for the others. It falls to DeLong's error for a strong difference, the sooner the fewer the features. The
quoted error, sqrt(1 + 4 A (1 - A)) times DeLong's, is at most 4 percent too small, and at an AUC near 0.6 of many
events up to 1.4 times too large. Three minutes on one core.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import numpy as np
import tyro

from hepjax import metrics, report
from hepjax.evaluation.folds import split_folds
from hepjax.evaluation.two_sample import Scorer, fold_auc, network_scores, tree_scores
from hepjax.training import Config

SIZES = ((100, 20), (1500, 5))
SHIFTS = {"null": 0.0, "weak": 0.5, "strong": 1.2, "apart": 3.3}
QUICK = Config(epochs=10, batch_size=100, learning_rate=3e-3, validation=0.0, epochs_per_call=10)
WEIGHTS = (0.2, 2.0)
CORRELATION = 0.8


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the study."""

    out: Path = Path("experiments/results/auc_errors.json")
    """File of the results."""
    repeats: int = 300
    """Repeats of the linear classifier."""
    trained: int = 40
    """Repeats of the trees and of the network."""


def main(options: Options) -> None:
    """Every setting in turn; the file is written after each."""
    network = functools.partial(network_scores, jax.random.key(0), config=QUICK)
    scorers = {"linear": linear_scores, "trees": tree_scores, "mlp": network}
    results: dict[str, Any] = {"repeats": options.repeats, "trained": options.trained}
    for name, scorer in scorers.items():
        repeats = options.repeats if name == "linear" else options.trained
        for n, d in SIZES if name == "linear" else SIZES[:1]:
            for law in ("plain", "weighted", "paired"):
                for size, shift in SHIFTS.items():
                    if name != "linear" and law != "plain" and size != "null":
                        continue
                    row = spread(scorer, n, d, shift, repeats, weighted=law == "weighted", paired=law == "paired")
                    results[f"{name}, {n} x {d}, {law}, {size}"] = row
                    report.write_json(options.out, results)


def spread(
    scorer: Scorer, n: int, d: int, shift: float, repeats: int, *, weighted: bool, paired: bool
) -> dict[str, float]:
    """Mean AUC, spread, and mean errors of repeated samples."""
    draw = functools.partial(one, scorer, n, d, shift, weighted=weighted, paired=paired)
    value, error = np.array([draw(np.random.default_rng(seed)) for seed in range(repeats)]).T
    fixed = error / np.sqrt(1 + 4 * value * (1 - value))
    spread = value.std(ddof=1)
    return {
        "auc": round(float(value.mean()), 4),
        "spread": round(float(spread), 5),
        "error": round(float(error.mean()), 5),
        "delong": round(float(fixed.mean()), 5),
        "spread_over_error": round(float(spread / error.mean()), 3),
        "spread_over_delong": round(float(spread / fixed.mean()), 3),
    }


def one(
    scorer: Scorer, n: int, d: int, shift: float, rng: np.random.Generator, *, weighted: bool, paired: bool
) -> metrics.Auc:
    """The AUC of one repeat."""
    a, b = rng.normal(size=(2, n, d))
    if paired:
        b = CORRELATION * a + np.sqrt(1 - CORRELATION**2) * b
    weight = rng.uniform(*WEIGHTS, size=2 * n) if weighted else None
    return fold_auc(scorer, split_folds(a, b + shift * np.eye(d)[0], paired=paired), weight)


def linear_scores(
    fold: int, x: np.ndarray, label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None
) -> np.ndarray:
    """Scores along the difference of the means, from the middle between them."""
    del fold
    weight = np.ones(len(x)) if weight is None else weight
    first, second = (np.average(x[label == k], axis=0, weights=weight[label == k]) for k in (0, 1))
    direction = (second - first) / np.linalg.norm(second - first)
    return (score - (first + second) / 2) @ direction


if __name__ == "__main__":
    main(tyro.cli(Options))
