"""The classifier two-sample test: size under the null, power against scikit-learn's network, compilation."""

import functools
import inspect

import jax
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hepjax import evaluation
from hepjax.evaluation.two_sample import fold_auc, network_scores, split_folds, tree_scores
from hepjax.training import Config
from hepjax.types import InputError

SHORT = Config(epochs=5, batch_size=100, validation=0.0)


def samples(shift=0.0, seed=0, n=400, d=8):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)) + shift * np.eye(d)[0]


def test_one_law_gives_a_half():
    """Within 4 standard errors; folds and trees that overfit only add noise."""
    for area in evaluation.two_sample(jax.random.key(0), *samples(), SHORT).values():
        assert abs(area.value - 0.5) < 4 * area.error


def test_a_shift_gives_the_optimal_auc():
    """A shift of 2 sigma: Phi(2 / sqrt 2) = 0.921 is the largest AUC there is; two of 800 events cost under 0.04."""
    for area in evaluation.two_sample(jax.random.key(0), *samples(shift=2.0), SHORT).values():
        assert 0.921 - 0.04 < area.value < 0.921 + 4 * area.error


def test_network_is_at_least_as_strong_as_sklearns():
    """A difference in a correlation alone; allowed 2 standard errors of the AUC below scikit-learn's network."""
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 600, 6))
    b[:, 1] = 0.8 * b[:, 0] + 0.6 * b[:, 1]
    x, label, folds = split_folds(a, b)
    ours = fold_auc(functools.partial(network_scores, jax.random.key(0)), x, label, folds)
    network = MLPClassifier((128, 128), early_stopping=True, max_iter=60, random_state=0)
    split = StratifiedKFold(3, shuffle=True, random_state=0)
    theirs = cross_val_predict(make_pipeline(StandardScaler(), network), x, label, cv=split, method="predict_proba")
    assert ours.value > roc_auc_score(label, theirs[:, 1]) - 2 * ours.error


def test_cells_on_one_scale_are_not_drowned_in_sparse_ones():
    """Half a sigma in each of 4 cells among 200 sparse ones: d' = 1, the largest AUC is Phi(1 / sqrt 2) = 0.76.

    600 events leave at least a third of its distance from 0.5, which scales of their own do not.
    """
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 600, 4)) + np.array([0, 0.5])[:, None, None]
    sparse = 0.1 * rng.gamma(0.1, size=(2, 600, 200)) * (rng.uniform(size=(2, 600, 200)) < 0.05)
    a, b = (np.concatenate(part, 1) for part in ((a, sparse[0]), (b, sparse[1])))
    x, label, folds = split_folds(a, b)
    shared, own = (
        fold_auc(functools.partial(network_scores, jax.random.key(0), config=SHORT, cells=cells), x, label, folds).value
        for cells in (204, 0)
    )
    assert 0.5 + 0.26 / 3 < shared < 0.8 and shared > own + 0.05


@pytest.mark.parametrize("paired", [False, True], ids=["single", "paired"])
@pytest.mark.parametrize("n", [30, 31, 32])
def test_folds_cover_every_event_once_and_train_on_equal_rows(n, paired):
    a, b = samples(n=n)
    x, label, folds = split_folds(a, b[: n - 1], paired=paired)
    assert len(x) == 2 * (n - 1) and label.sum() == n - 1
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in folds])), np.arange(len(x)))
    assert len({len(train) for train, _ in folds}) == 1
    assert all(len(np.unique(train)) == len(train) and not set(train) & set(test) for train, test in folds)


def test_trees_are_the_judges():
    """The same folds, seed and pooling as scikit-learn's cross_val_predict."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, label, folds = split_folds(*samples(shift=0.5, n=150))
    trees = HistGradientBoostingClassifier(max_iter=200, random_state=0)
    split = StratifiedKFold(3, shuffle=True, random_state=0)
    expected = cross_val_predict(trees, x, label, cv=split, method="predict_proba")[:, 1]
    assert fold_auc(tree_scores, x, label, folds).value == pytest.approx(roc_auc_score(label, expected), rel=1e-12)


def test_folds_compile_once(caplog):
    x, label, folds = split_folds(*samples(n=50))
    scorer = functools.partial(network_scores, jax.random.key(0), config=SHORT)
    scorer(0, x[folds[0][0]], label[folds[0][0]], x)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for fold in (1, 2):
            scorer(fold, x[folds[fold][0]], label[folds[fold][0]], x)
    assert not [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]


def test_same_key_same_numbers():
    a, b = samples(shift=0.3, n=60)
    run = functools.partial(evaluation.two_sample, jax.random.key(3), config=SHORT)
    assert run(a, b) == run(a, b)


@pytest.mark.parametrize("bad", [np.ones((40, 3)), np.full((40, 8), np.nan), np.ones((4, 8)), np.ones(40)])
def test_bad_input_is_one_line(bad):
    with pytest.raises(InputError) as error:
        evaluation.two_sample(jax.random.key(0), samples(n=40)[0], bad)
    assert "\n" not in str(error.value)


def test_key_comes_first():
    assert next(iter(inspect.signature(evaluation.two_sample).parameters)) == "key"


def test_weights_that_undo_a_shift_give_a_half():
    """Both samples with the weights that put them half way: within 4 errors of a half, and above 0.6 without."""
    a, b = samples(shift=0.8, n=1000, d=3)
    half_way = [np.exp(sign * 0.4 * (x[:, 0] - 0.4)) for sign, x in ((1, a), (-1, b))]
    plain = evaluation.two_sample(jax.random.key(0), a, b, SHORT)
    weights = dict(zip(("reference_weight", "generated_weight"), half_way, strict=True))
    weighted = evaluation.two_sample(jax.random.key(0), a, b, SHORT, **weights)
    for name in plain:
        assert plain[name].value > 0.6 and abs(weighted[name].value - 0.5) < 4 * weighted[name].error


def test_negative_weights_of_one_law_give_a_half():
    """A tenth of negative weights: within 4 standard errors of a half, and of Phi(1 / sqrt 2) = 0.76 after a shift.

    Events trained on with the other label cost up to a third of the distance from a half.
    """
    a, b = samples(n=1000, d=3, seed=4)
    rng = np.random.default_rng(5)
    weight = np.where(rng.uniform(size=1000) < 0.1, -1.0, 1.0)
    for area in evaluation.two_sample(jax.random.key(0), a, b, SHORT, generated_weight=weight).values():
        assert abs(area.value - 0.5) < 4 * area.error
    for area in evaluation.two_sample(jax.random.key(0), a, b + np.eye(3)[0], SHORT, generated_weight=weight).values():
        assert 0.5 + 0.26 * 2 / 3 < area.value < 0.76 + 4 * area.error


def test_equal_weights_change_no_rank():
    a, b = samples(shift=0.5, n=150)
    x, label, folds = split_folds(a, b)
    weighted = fold_auc(tree_scores, x, label, folds, np.ones(300))
    assert weighted == pytest.approx(fold_auc(tree_scores, x, label, folds), rel=1e-12)


@pytest.mark.parametrize("bad", [np.ones(30), np.full(40, np.nan), -np.ones(40)], ids=["shape", "nan", "negative"])
def test_bad_weights_are_one_line(bad):
    a, b = samples(n=40)
    with pytest.raises(InputError, match="weights") as error:
        evaluation.two_sample(jax.random.key(0), a, b, SHORT, generated_weight=bad)
    assert "\n" not in str(error.value)


def test_near_copies_are_told_apart_by_no_classifier_in_paired_folds():
    """Trees that have trained on an event take its copy for the same sample; 4 standard errors of a half otherwise."""
    a, noise = samples(n=1500, d=3, seed=7)
    copies = a + 0.01 * noise
    single, paired = (fold_auc(tree_scores, *split_folds(a, copies, paired=paired)) for paired in (False, True))
    assert single.value < 0.5 - 4 * single.error and abs(paired.value - 0.5) < 4 * paired.error
