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
from hepjax.evaluation.folds import split_folds
from hepjax.evaluation.two_sample import below_half, fold_auc, network_scores, tree_scores
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
    folds = split_folds(a, b)
    ours = fold_auc(functools.partial(network_scores, jax.random.key(0)), folds)
    network = MLPClassifier((128, 128), early_stopping=True, max_iter=60, random_state=0)
    split = StratifiedKFold(3, shuffle=True, random_state=0)
    theirs = cross_val_predict(
        make_pipeline(StandardScaler(), network), folds.x, folds.label, cv=split, method="predict_proba"
    )
    assert ours.value > roc_auc_score(folds.label, theirs[:, 1]) - 2 * ours.error


def test_cells_on_one_scale_are_not_drowned_in_sparse_ones():
    """Half a sigma in each of 4 cells among 200 sparse ones: d' = 1, the largest AUC is Phi(1 / sqrt 2) = 0.76.

    600 events leave at least a third of its distance from 0.5, which scales of their own do not.
    """
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 600, 4)) + np.array([0, 0.5])[:, None, None]
    sparse = 0.1 * rng.gamma(0.1, size=(2, 600, 200)) * (rng.uniform(size=(2, 600, 200)) < 0.05)
    a, b = (np.concatenate(part, 1) for part in ((a, sparse[0]), (b, sparse[1])))
    folds = split_folds(a, b)
    shared, own = (
        fold_auc(functools.partial(network_scores, jax.random.key(0), config=SHORT, cells=cells), folds).value
        for cells in (204, 0)
    )
    assert 0.5 + 0.26 / 3 < shared < 0.8 and shared > own + 0.05


@pytest.mark.parametrize("paired", [False, True], ids=["single", "paired"])
@pytest.mark.parametrize("n", [30, 31, 32])
def test_folds_cover_every_event_once_and_train_on_equal_rows(n, paired):
    a, b = samples(n=n)
    x, label, _, _, parts = split_folds(a[: n - paired], b[: n - 1], paired=paired)
    assert len(x) == 2 * (n - 1) and label.sum() == n - 1
    np.testing.assert_array_equal(np.sort(np.concatenate([test for _, test in parts])), np.arange(len(x)))
    assert len({len(train) for train, _ in parts}) == 1
    assert all(len(np.unique(train)) == len(train) and not set(train) & set(test) for train, test in parts)
    assert not paired or all(set((test + n - 1) % (2 * n - 2)) == set(test) for _, test in parts)


def test_trees_are_the_judges():
    """The same folds, seed and pooling as scikit-learn's cross_val_predict."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    folds = split_folds(*samples(shift=0.5, n=150))
    trees = HistGradientBoostingClassifier(max_iter=200, random_state=0)
    split = StratifiedKFold(3, shuffle=True, random_state=0)
    expected = cross_val_predict(trees, folds.x, folds.label, cv=split, method="predict_proba")[:, 1]
    assert fold_auc(tree_scores, folds).value == pytest.approx(roc_auc_score(folds.label, expected), rel=1e-12)


def test_folds_compile_once(caplog):
    x, label, _, _, parts = split_folds(*samples(n=50))
    scorer = functools.partial(network_scores, jax.random.key(0), config=SHORT)
    scorer(0, x[parts[0][0]], label[parts[0][0]], x)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for fold in (1, 2):
            scorer(fold, x[parts[fold][0]], label[parts[fold][0]], x)
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
    folds = split_folds(a, b)
    assert fold_auc(tree_scores, folds, np.ones(300)) == pytest.approx(fold_auc(tree_scores, folds), rel=1e-12)


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
    single, paired = (fold_auc(tree_scores, split_folds(a, copies, paired=paired)) for paired in (False, True))
    assert below_half(single) and abs(paired.value - 0.5) < 4 * paired.error


def test_a_sample_against_itself_is_not_told_apart():
    """Trees without groups have an AUC of 0.06; events that stay together have equal scores, and 0.5 exactly."""
    a, _ = samples(n=300)
    assert fold_auc(tree_scores, split_folds(a, a)).value == pytest.approx(0.5, abs=1e-9)
    shuffled = np.random.default_rng(0).permutation(a)
    weights = np.random.default_rng(1).uniform(0.5, 2, size=(2, 300))
    for paired in (False, True):
        folds = split_folds(a, shuffled, paired=paired)
        assert abs(fold_auc(tree_scores, folds).value - 0.5) < 0.05
        weighted = fold_auc(tree_scores, folds, weights.ravel())
        assert abs(weighted.value - 0.5) < 4 * weighted.error


def test_a_difference_shows_among_copies_of_the_reference():
    """A quarter shifted by 2 sigma, the rest copies: at most 0.5 + 0.421 / 4 = 0.605, and half of that."""
    a, b = samples(shift=2.0, n=1200)
    mixed = np.concatenate([a[300:], b[:300]])[np.random.default_rng(0).permutation(1200)]
    area = fold_auc(tree_scores, split_folds(a, mixed))
    assert 0.55 < area.value < 0.605 + 4 * area.error


def test_equal_rows_stay_in_one_fold_but_for_points_of_the_law():
    """Copies within and across samples share a fold; a fifth of empty events does not fill one fold."""
    rng = np.random.default_rng(0)
    a, b = samples(n=300)
    b[100:150], b[200:205] = a[:50], b[0]
    a[240:], b[240:] = 0, 0
    x, label, group, _, parts = split_folds(a, rng.permutation(b))
    fold = np.empty(600, int)
    for k, (_, test) in enumerate(parts):
        fold[test] = k
        assert abs(label[test].mean() - 0.5) < 0.05 and abs(len(test) - 200) < 12
    empty = ~x.any(1)
    assert len(np.unique(group[empty])) == 120 and (np.bincount(fold[empty]) > 30).all()
    for row in np.unique(x[~empty], axis=0):
        assert len(np.unique(fold[(x == row).all(1)])) == 1
    assert len({len(train) for train, _ in parts}) == 1


def test_few_different_events_are_refused_in_one_line():
    with pytest.raises(InputError, match="2 different events, expected at least 6"):
        split_folds(np.repeat([[0.0], [1.0]], 5, axis=0), np.repeat([[0.0], [1.0]], 4, axis=0))


def test_rows_of_the_larger_sample_are_drawn_at_random():
    """A sample in order of one of its columns: the AUC of its first rows is above 0.9."""
    a, b = samples(n=900, d=3)
    folds = split_folds(a[:300], b[b[:, 0].argsort()])
    area = fold_auc(tree_scores, folds)
    assert abs(area.value - 0.5) < 4 * area.error
    np.testing.assert_array_equal(folds.x[300:], b[b[:, 0].argsort()][folds.rows[1]])


def test_fill_values_and_outliers_hide_no_difference_from_the_network():
    """0.7 widths between two laws, whose AUC is 0.69 (Phi(0.7 / sqrt 2)): half of the events of another column are
    -999 in both samples, and nine of 600 are 1e6, where standardised columns would leave some 0.5."""
    rng = np.random.default_rng(2)
    a, b = (rng.normal(shift, 1, (600, 1)) for shift in (0.0, 0.7))
    for x in (a, b):
        x[:9] = 1e6
    a, b = (np.hstack([x, np.where(rng.random((600, 1)) < 0.5, -999, rng.normal(size=(600, 1)))]) for x in (a, b))
    found = [
        evaluation.two_sample(jax.random.key(0), a, b, SHORT, normal_scores=scores, classifiers=("mlp",))["mlp"]
        for scores in (True, False)
    ]
    assert abs(found[0].value - 0.69) < 3 * found[0].error and found[1].value < 0.6
