"""The classifier two-sample test: can a trained classifier tell two samples apart? (arXiv:1610.06545)

Every event is scored by a classifier that did not train on it (three stratified folds), and the AUC of all scores is
0.5, within its error, for two samples of one law. A network and boosted trees see different differences: the trees
those of single cells, such as a threshold, the network those of sums of many.

Weights count in the training and in the AUC. An event of negative weight is trained on as one of the other sample, with
its weight's size: then the loss is bounded, and two samples of one law still cannot be told apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.preprocessing import StandardScaler

from hepjax.classifiers import binary
from hepjax.metrics import Auc, auc
from hepjax.nets import mlp
from hepjax.training.config import Config
from hepjax.training.loop import fit
from hepjax.types import Classifier, InputError, Labelled, PRNGKey

FOLDS = 3
HIDDEN = (128, 128)
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
    paired: bool = False,
    reference_weight: Weight = None,
    generated_weight: Weight = None,
) -> dict[str, Auc]:
    """AUC, with error, of a network (`mlp`) and of boosted trees (`trees`) between two samples.

    reference: (n, d). generated: (m, d). The first rows of both count, as many as the smaller sample has, so that the
    classes weigh the same. key: of the network's training; folds and trees have fixed seeds. cells: the first columns
    that are cells of one calorimeter, scaled by one number in place of each by its own. paired: see `split_folds`.
    reference_weight: (n,). generated_weight: (m,). Both classes weigh the same whatever the weights add up to.

    Raises InputError for samples of different width, with values that are not finite, or with fewer than two events a
    fold, and for weights of another shape, that are not finite, or without a positive sum.
    """
    x, label, folds = split_folds(reference, generated, paired=paired)
    weight = _balanced(reference_weight, generated_weight, len(label) // 2)
    scorers = {"mlp": functools.partial(network_scores, key, config=config, cells=cells), "trees": tree_scores}
    return {name: fold_auc(scorer, x, label, folds, weight) for name, scorer in scorers.items()}


def split_folds(
    reference: np.ndarray, generated: np.ndarray, *, paired: bool = False
) -> tuple[np.ndarray, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Both samples at equal size, labels 0 and 1, and three pairs of rows to train on and to score.

    paired: whether equal rows may be of one event, as in a sample unfolded from what was measured of the reference.
    These stay in one fold: a classifier that has trained on one of them takes the other for the same sample, and the
    AUC of near copies falls below a half. All folds train on the same number of rows (at most two are left out), so
    that a network compiles once.
    """
    n = min(len(reference), len(generated))
    if np.ndim(reference) != 2 or np.shape(reference)[1:] != np.shape(generated)[1:] or n < 2 * FOLDS:
        found = f"shapes {np.shape(reference)} and {np.shape(generated)}"
        raise InputError(f"two-sample test: expected (n, d) and (m, d) with at least {2 * FOLDS} rows, got {found}")
    x = np.concatenate([reference[:n], generated[:n]])
    if not np.isfinite(x).all():
        raise InputError("two-sample test: expected finite values")
    label = np.repeat([0, 1], n)
    if paired:
        halves = KFold(FOLDS, shuffle=True, random_state=0).split(x[:n])
        folds = [(np.concatenate([train, train + n]), np.concatenate([test, test + n])) for train, test in halves]
    else:
        folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(x, label))
    rows = min(len(train) for train, _ in folds)
    # Rows come in order of their class: what is left out is drawn from both.
    keep = np.linspace(0, 1, rows)
    return x, label, [(train[np.round(keep * (len(train) - 1)).astype(int)], test) for train, test in folds]


def fold_auc(
    scorer: Scorer,
    x: np.ndarray,
    label: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    weight: Weight = None,
) -> Auc:
    """AUC of the scores that every event gets from the fold it did not train."""
    scores = np.empty(len(x))
    for number, (train, test) in enumerate(folds):
        part = None if weight is None else weight[train]
        scores[test] = scorer(number, x[train], label[train], x, part)[test]
    weights = [None if weight is None else weight[label == k] for k in (0, 1)]
    return auc(scores[label == 0], scores[label == 1], *weights)


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
) -> Float[np.ndarray, " m"]:
    """Log-odds of the rows of `score` by a network trained on standardised `x`, the first `cells` by one scale."""
    scale = StandardScaler().fit(x)
    if cells:
        # Of many sparse cells most hold noise alone, which scales of their own would lift to the level of the few that
        # hold the shower. With 504 cells smeared by 30 percent, 1,500 showers a side, the AUC is 0.95, else 0.53.
        shared = np.sqrt(np.mean(np.asarray(scale.var_)[:cells]))
        scale.scale_ = np.concatenate([np.full(cells, shared), np.asarray(scale.scale_)[cells:]])
    classifier = binary(mlp(x.shape[1], 1, HIDDEN))
    label, size = _positive(label, weight)
    size = None if size is None else jnp.asarray(size, jnp.float32)
    batch = Labelled(_scaled(scale, x), jnp.asarray(label, jnp.float32), weight=size)
    fitted = fit(jax.random.fold_in(key, fold), classifier, batch, config)
    return np.asarray(_logits(classifier)(fitted.params, _scaled(scale, score)))


def tree_scores(
    fold: int,
    x: Float[np.ndarray, "n d"],
    label: Int[np.ndarray, " n"],
    score: Float[np.ndarray, "m d"],
    weight: Weight = None,
) -> Float[np.ndarray, " m"]:
    """Probabilities of the rows of `score` by gradient-boosted trees trained on `x`."""
    del fold
    trees = HistGradientBoostingClassifier(max_iter=200, random_state=0).fit(x, *_positive(label, weight))
    return trees.predict_proba(score)[:, 1]


def _balanced(reference: Weight, generated: Weight, n: int) -> Weight:
    """Weights of both samples' first n events, of mean one each, one after the other; None where there are none."""
    if reference is None and generated is None:
        return None
    parts = []
    for name, weight in (("reference", reference), ("generated", generated)):
        first = np.ones(n) if weight is None else np.asarray(weight, np.float64)[:n]
        if first.shape != (n,) or not np.isfinite(first).all() or not first.sum() > 0:
            expected = f"at least {n} finite weights with a positive sum"
            raise InputError(f"two-sample test: expected {expected} of the {name} sample, got shape {first.shape}")
        parts.append(first / first.mean())
    return np.concatenate(parts)


def _positive(label: np.ndarray, weight: Weight) -> tuple[np.ndarray, Weight]:
    """Labels and weights to train on: an event of negative weight counts as one of the other sample."""
    if weight is None:
        return label, None
    return np.where(weight < 0, 1 - label, label), np.abs(weight)


def _scaled(scale: StandardScaler, x: np.ndarray) -> jax.Array:
    return jnp.asarray(scale.transform(x), jnp.float32)


@functools.cache
def _logits(classifier: Classifier) -> Callable[..., jax.Array]:
    return jax.jit(classifier.logits)
