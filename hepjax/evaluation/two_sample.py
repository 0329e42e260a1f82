"""The classifier two-sample test: can a trained classifier tell two samples apart? (arXiv:1610.06545)

Every event is scored by a classifier that did not train on it or on its copy (three folds), and the AUC of all scores
is 0.5, within its error, for two samples of one law. A network and boosted trees see different differences: the trees
those of single cells, such as a threshold, the network those of sums of many.

Weights count in the training and in the AUC. An event of negative weight is trained on as one of the other sample, with
its weight's size: then the loss is bounded, and two samples of one law still cannot be told apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from hepjax.caching import cached
from hepjax.classifiers import binary
from hepjax.evaluation.folds import Folds, split_folds
from hepjax.metrics import Auc, auc, cross_validated
from hepjax.nets import mlp
from hepjax.training.config import Config
from hepjax.training.loop import fit
from hepjax.transforms import inputs
from hepjax.types import Classifier, InputError, Labelled, PRNGKey

HIDDEN = (128, 128)
SIGNIFICANT = 3
ROUNDING = 1e-9
# Strong weight decay and a fixed length in place of early stopping: differences in sums of anticorrelated cells appear
# late, after the validation loss has begun to rise. With 0.5 percent more energy in the four central cells, 1,500
# Geant4 showers a side, the AUC is 0.81; with early stopping it is 0.51, and scikit-learn's MLPClassifier has 0.55.
NETWORK = Config(epochs=40, batch_size=200, learning_rate=2e-3, weight_decay=5.0, ema=0.99, validation=0.0)

Weight = Float[np.ndarray, " _"] | None
# (number of the fold, rows to train on, their labels, all rows, weights of those to train on) -> scores of all rows
Scorer = Callable[[int, np.ndarray, np.ndarray, np.ndarray, Weight], np.ndarray]


def two_sample(
    key: PRNGKey,
    reference: np.ndarray,
    generated: np.ndarray,
    config: Config = NETWORK,
    *,
    cells: int = 0,
    normal_scores: bool = False,
    paired: bool = False,
    reference_weight: Weight = None,
    generated_weight: Weight = None,
    classifiers: Sequence[str] = ("mlp", "trees"),
) -> dict[str, Auc]:
    """AUC, with error, of a network (`mlp`) and of boosted trees (`trees`) between two samples, or of one of them.

    reference: (n, d). generated: (m, d). Of the larger sample random rows count, as many as the smaller has, so that
    the classes weigh the same. key: of the network's training; rows, folds and trees have fixed seeds. cells: the first
    columns that are cells of one calorimeter, scaled by one number in place of each by its own. normal_scores: give
    the network normal scores and flags of point masses in place of standardised columns, whose scale a fill value or an
    outlier decides; for observables, not for cells, whose sums matter. paired: see `split_folds`.
    reference_weight: (n,). generated_weight: (m,). Both classes weigh the same whatever these add up to.

    Raises InputError for samples of different width, with values that are not finite, or with fewer than two events a
    fold, and for weights of another shape, that are not finite, or without a positive sum.
    """
    folds = split_folds(reference, generated, paired=paired)
    weight = _balanced(folds, (reference, generated), (reference_weight, generated_weight))
    scorers = {
        "mlp": functools.partial(network_scores, key, config=config, cells=cells, normal_scores=normal_scores),
        "trees": tree_scores,
    }
    return {name: fold_auc(scorer, folds, weight) for name, scorer in scorers.items() if name in classifiers}


def fold_auc(scorer: Scorer, folds: Folds, weight: Weight = None) -> Auc:
    """AUC of the scores that every event gets from the fold it did not train, with the error of repeated samples.

    weight: (2 n,), of the events of `folds`.
    """
    x, label = folds.x, folds.label
    scores = np.empty(len(x))
    for number, (train, test) in enumerate(folds.parts):
        part = None if weight is None else weight[train]
        scores[test] = scorer(number, x[train], label[train], x, part)[test]
    weights = [None if weight is None else weight[label == k] for k in (0, 1)]
    groups = folds.group[label == 0], folds.group[label == 1]
    return cross_validated(auc(scores[label == 0], scores[label == 1], *weights, groups=groups))


def below_half(area: Auc) -> bool:
    """Whether an AUC lies below a half by more than chance: three standard errors.

    No difference between two laws does that. It is what events do that are nearly the same in both samples, on either
    side of a fold: the classifier has learned one of them and takes the other for the same sample.
    """
    return area.value < 0.5 - max(SIGNIFICANT * area.error, ROUNDING)


def below_half_notes(sample: str, scores: Mapping[str, Any]) -> list[str]:
    """A line about the AUCs of a sample that lie below a half, if there are any.

    scores: each AUC under its name, its error under the name with `_error`.
    """
    areas = {name: Auc(scores[name], scores[f"{name}_error"]) for name in scores if f"{name}_error" in scores}
    low = [f"{name} {area.value:.3f} ± {area.error:.3f}" for name, area in areas.items() if below_half(area)]
    if not low:
        return []
    return [f"{sample}: {', '.join(low)} below a half: copies of the reference, or rows that both samples share"]


def network_scores(
    key: PRNGKey,
    fold: int,
    x: Float[np.ndarray, "n d"],
    label: Int[np.ndarray, " n"],
    score: Float[np.ndarray, "m d"],
    weight: Weight = None,
    *,
    config: Config = NETWORK,
    cells: int = 0,
    normal_scores: bool = False,
) -> Float[np.ndarray, " m"]:
    """Log-odds of the rows of `score` by a network trained on `x`; cells and normal_scores as in `two_sample`."""
    if normal_scores:
        fitted = inputs.fit((x, np.ones(len(x))))
        seen, scored = fitted(x), fitted(score)
    else:
        seen, scored = _standardised(x, cells, x, score)
    classifier = binary(mlp(seen.shape[1], 1, HIDDEN))
    label, size = _positive(label, weight)
    size = None if size is None else jnp.asarray(size, jnp.float32)
    batch = Labelled(seen, jnp.asarray(label, jnp.float32), weight=size)
    trained = fit(jax.random.fold_in(key, fold), classifier, batch, config)
    return np.asarray(_logits(classifier)(trained.params, scored))


def tree_scores(
    fold: int,
    x: Float[np.ndarray, "n d"],
    label: Int[np.ndarray, " n"],
    score: Float[np.ndarray, "m d"],
    weight: Weight = None,
) -> Float[np.ndarray, " m"]:
    """Probabilities of the rows of `score` by gradient-boosted trees trained on `x`."""
    del fold
    # Threads wait for each other at every node: two of them take ten times the work of one on a busy machine.
    with threadpool_limits(1):
        trees = HistGradientBoostingClassifier(max_iter=200, random_state=0).fit(x, *_positive(label, weight))
        return trees.predict_proba(score)[:, 1]


def _balanced(folds: Folds, samples: tuple[np.ndarray, ...], weights: tuple[Weight, ...]) -> Weight:
    """Weights of the events in the folds, of mean one in either sample; None where there are none."""
    if all(weight is None for weight in weights):
        return None
    parts = []
    for name, sample, weight, rows in zip(("reference", "generated"), samples, weights, folds.rows, strict=True):
        every = np.ones(len(sample)) if weight is None else np.asarray(weight, np.float64)
        if every.shape != (len(sample),) or not np.isfinite(every).all() or not every[rows].sum() > 0:
            expected = f"{len(sample)} finite weights with a positive sum"
            raise InputError(f"two-sample test: expected {expected} of the {name} sample, got shape {every.shape}")
        parts.append(every[rows] / every[rows].mean())
    return np.concatenate(parts)


def _positive(label: np.ndarray, weight: Weight) -> tuple[np.ndarray, Weight]:
    """Labels and weights to train on: an event of negative weight counts as one of the other sample."""
    if weight is None:
        return label, None
    return np.where(weight < 0, 1 - label, label), np.abs(weight)


def _standardised(x: np.ndarray, cells: int, *tables: np.ndarray) -> list[jax.Array]:
    """Tables in the mean and width of every column of `x`, the first `cells` of them in one width."""
    scale = StandardScaler().fit(x)
    if cells:
        # Of many sparse cells most hold noise alone, which scales of their own would lift to the level of the few that
        # hold the shower. With 504 cells smeared by 30 percent, 1,500 showers a side, the AUC is 0.95, else 0.53.
        shared = np.sqrt(np.mean(np.asarray(scale.var_)[:cells]))
        scale.scale_ = np.concatenate([np.full(cells, shared), np.asarray(scale.scale_)[cells:]])
    return [jnp.asarray(scale.transform(table), jnp.float32) for table in tables]


@cached
def _logits(classifier: Classifier) -> Callable[..., jax.Array]:
    return jax.jit(classifier.logits)
