"""The CaloChallenge's classifiers: views, the three parts, calibration, size under one law, power, log-posteriors."""

import jax
import numpy as np
import pytest
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import log_loss, roc_auc_score

from hepjax.data import geometry
from hepjax.evaluation import calochallenge_classifiers as classifiers
from hepjax.evaluation.calochallenge_config import Config
from hepjax.types import InputError, Showers

KEY = jax.random.key(0)
pytestmark = pytest.mark.usefixtures("fast_compilation")
SHORT = Config(hidden=(16, 16), cnn_widths=(4, 4), epochs=10, batch_size=50, learning_rate=3e-3)
NET = classifiers.perceptron(3, SHORT)


def normal(shift=0.0, n=1000, seed=0, d=3):
    return np.random.default_rng(seed).normal(size=(n, d)) + shift * np.eye(d)[0]


def cylinders(n=12, seed=0, shape=(4, 8, 3)):
    """Showers of any energies in a small cylinder, whose second layer is empty."""
    rng, layer = np.random.default_rng(seed), geometry.named("calochallenge_2").polar[0]
    layer = layer.__class__(layer.r_edges_mm[: shape[2] + 1], shape[1], 0)
    small = geometry.Geometry("small", shape, polar=(layer,) * shape[0])
    voxels = rng.exponential(100, (n, *shape)) * (rng.random((n, *shape)) < 0.4)
    voxels[:, 1] = 0
    return Showers(rng.uniform(1e3, 1e5, n).astype("f"), voxels.reshape(n, -1).astype("f"), small)


def test_low_view():
    showers = cylinders()
    view = classifiers.low_view(showers)
    assert view.shape == (12, 1 + 96) and view.dtype == np.float32
    np.testing.assert_allclose(10 ** view[:, 0], showers.incident_energy, rtol=1e-5)
    np.testing.assert_allclose(view[:, 1:] * showers.incident_energy[:, None], showers.voxels, rtol=1e-5)


@pytest.mark.parametrize("name", ["calochallenge_1_photons", "calochallenge_2"])
def test_low_normed_view_has_layers_of_one(name, rng):
    """Shares add up to one in every layer, to zero in an empty one, where log10 of 1e-8 MeV stands for its energy."""
    g = geometry.named(name)
    voxels = rng.exponential(1.0, (5, g.voxels)).astype("f")
    ends = np.cumsum([layer.voxels for layer in g.polar])
    voxels[:, : ends[0]] = 0
    view = classifiers.low_normed_view(Showers(np.full(5, 1e4, "f"), voxels, g))
    shares, layers = view[:, 1 : 1 + g.voxels], view[:, 1 + g.voxels :]
    sums = np.stack([part.sum(1) for part in np.split(shares, ends[:-1], axis=1)], 1)
    np.testing.assert_allclose(sums[:, 1:], 1.0, rtol=1e-4)
    np.testing.assert_array_equal(sums[:, 0], 0.0)
    expected = [part.sum(1) for part in np.split(voxels, ends[:-1], axis=1)]
    np.testing.assert_allclose(layers, np.log10(np.stack(expected, 1) + 1e-8), atol=1e-4)


@pytest.mark.parametrize("n", [10, 17, 1000])
def test_the_parts_are_disjoint_and_hold_every_row(n):
    parts = classifiers.split([normal(n=n), normal(n=3 * n)])
    for sample in range(2):
        rows = [part[sample] for part in parts]
        drawn = np.unique(np.concatenate(rows))
        assert len(drawn) == n
        if sample:  # of the larger one, from all rows: none from the last third has a chance below (2 / 3)^10
            assert drawn[-1] >= 2 * n
        else:
            np.testing.assert_array_equal(drawn, np.arange(n))
        assert [len(r) for r in rows] == [round(0.6 * n), round(0.8 * n) - round(0.6 * n), n - round(0.8 * n)]


def test_each_part_does_its_own_job(monkeypatch):
    """Three parts are made of the rows, all different: one is trained on, one selects and calibrates, one is scored."""
    made, used = [], {"fit": [], "_logits": []}
    original = {name: getattr(classifiers, name) for name in ("_part", "fit", "_logits")}

    def part(samples, rows, view):
        made.append(original["_part"](samples, rows, view).x)
        return original["_part"](samples, rows, view)

    def fit(key, model, data, config, **options):
        used["fit"].append(data.x)
        return original["fit"](key, model, data, config, **options)

    def logits(classifier, params, x):
        used["_logits"].append(x)
        return original["_logits"](classifier, params, x)

    for name, function in {"_part": part, "fit": fit, "_logits": logits}.items():
        monkeypatch.setattr(classifiers, name, function)
    a, b = normal(n=50), normal(n=40, seed=1)
    classifiers.classifier_score(KEY, NET, a, b, SHORT)
    rows = np.concatenate([*used["fit"], used["_logits"][0], used["_logits"][-1]])
    known = {row.tobytes() for row in np.concatenate([a, b]).astype("f")}
    assert {row.tobytes() for row in rows} < known and len(np.unique(rows, axis=0)) == len(rows) == 80
    assert len(made) == 3
    assert all(np.array_equal(x, used["_logits"][0]) for x in used["_logits"][:-1])


def test_one_law_gives_a_half_and_no_divergence():
    """Within 3 standard errors; a calibration by 2 x 400 showers costs the JSD up to some 1 / sqrt(400)."""
    score = classifiers.classifier_score(KEY, NET, normal(n=2000), normal(n=2000, seed=1), SHORT)
    assert abs(score.auc - 0.5) < 3 * score.auc_error
    assert abs(score.jsd) < 3 * score.jsd_error + 1 / np.sqrt(400)
    assert score.sizes == (1200, 400, 400)


def test_a_shift_gives_the_optimal_scores():
    """Shifted by 2 sigma: AUC Phi(2 / sqrt 2) = 0.921, JSD 0.486 bits by integration; within 3 errors and 0.05."""
    score = classifiers.classifier_score(KEY, NET, normal(n=2000), normal(2.0, n=2000, seed=1), SHORT)
    x = np.linspace(-8, 10, 20_001)
    p, q = norm.pdf(x), norm.pdf(x, 2)
    jsd = np.trapezoid(0.5 * (p * np.log2(2 * p / (p + q)) + q * np.log2(2 * q / (p + q))), x)
    assert abs(score.auc - norm.cdf(2 / np.sqrt(2))) < 3 * score.auc_error + 0.01
    assert abs(score.jsd - jsd) < 3 * score.jsd_error + 0.05


def test_separated_samples_give_one():
    score = classifiers.classifier_score(KEY, NET, normal(), normal(20.0, seed=1), SHORT)
    assert score.auc > 0.999 and score.jsd > 0.99


def test_scores_against_scikit_learn(monkeypatch):
    """The same logits through its isotonic regression, roc_auc_score and log_loss."""
    logits = []

    def record(classifier, params, x):
        logits.append(classifiers_logits(classifier, params, x))
        return logits[-1]

    classifiers_logits = classifiers._logits
    monkeypatch.setattr(classifiers, "_logits", record)
    score = classifiers.classifier_score(KEY, NET, normal(), normal(1.0, seed=1), SHORT)
    held, test = (1 / (1 + np.exp(-z)) for z in logits[-2:])
    label = np.repeat([0, 1], 200)
    isotonic = IsotonicRegression(out_of_bounds="clip", y_min=1e-6, y_max=1 - 1e-6).fit(held, label)
    probability = isotonic.predict(test)
    np.testing.assert_allclose(score.auc, roc_auc_score(label, probability))
    np.testing.assert_allclose(score.jsd, 1 - log_loss(label, probability) / np.log(2))


def test_the_epoch_of_the_best_accuracy_counts(monkeypatch):
    """The parameters that are scored make as few mistakes in the second part as any epoch's."""
    found = []

    def fit(key, model, data, config, score):
        mistakes = []
        fitted = classifiers_fit(
            key, model, data, config, score=lambda k, p: mistakes.append(score(k, p)) or mistakes[-1]
        )
        found.append((mistakes, score(key, fitted.params), fitted.best_epoch))
        return fitted

    classifiers_fit = classifiers.fit
    monkeypatch.setattr(classifiers, "fit", fit)
    classifiers.classifier_score(KEY, NET, normal(n=200), normal(0.5, n=200, seed=1), SHORT)
    ((mistakes, best, epoch),) = found
    assert len(mistakes) == SHORT.epochs and best == min(mistakes) and mistakes.index(best) == epoch - 1


def test_a_view_of_rows_is_the_view_of_all():
    a, b = cylinders(30), cylinders(30, seed=1)
    net, whole = classifiers.perceptron(97, SHORT), [classifiers.low_view(sample) for sample in (a, b)]
    lazy = classifiers.classifier_score(KEY, net, a, b, SHORT, classifiers.low_view)
    assert lazy == classifiers.classifier_score(KEY, net, *whole, SHORT)


def test_a_second_call_does_not_recompile():
    samples = normal(n=100), normal(1.0, n=100, seed=1)
    classifiers.classifier_score(KEY, NET, *samples, SHORT)
    with jax.no_tracing():
        classifiers.classifier_score(jax.random.key(1), NET, *samples[::-1], SHORT)


def test_log_posterior_of_known_densities():
    """Normal samples shifted by 0, 1, 2 and reference at 0: the mean of ln p_k / sum p within 3 errors and 0.06."""
    shifts = {"close": 0.0, "far": 1.0, "farther": 2.0}
    samples = {name: normal(shift, n=2000, seed=k) for k, (name, shift) in enumerate(shifts.items())}
    reference = normal(n=1000, seed=9)
    net = classifiers.perceptron(3, SHORT, classes=3)
    found = classifiers.log_posterior(KEY, net, samples, reference, SHORT)
    logs = np.stack([norm.logpdf(reference[:, 0], shift) for shift in shifts.values()], 1)
    expected = (logs - np.logaddexp.reduce(logs, axis=1, keepdims=True)).mean(0)
    for (name, estimate), truth in zip(found.items(), expected, strict=True):
        assert abs(estimate.value - truth) < 3 * estimate.error + 0.06, name
    assert list(shifts) == sorted(found, key=lambda name: -found[name].value)


def test_log_posterior_of_one_law_prefers_none():
    """-ln 2 within 3 errors and what a small net learns by heart of 600 showers a sample."""
    samples = {"a": normal(seed=1), "b": normal(seed=2)}
    net = classifiers.perceptron(3, SHORT, classes=2)
    for estimate in classifiers.log_posterior(KEY, net, samples, normal(seed=3), SHORT).values():
        assert abs(estimate.value + np.log(2)) < 3 * estimate.error + 0.05


@pytest.mark.parametrize(
    ("showers", "batch"), [(120_000, 1000), (60_000, 500), (12_000, 100), (1_200, 100)], ids=lambda v: str(v)
)
def test_batches_keep_the_steps_of_an_epoch(showers, batch):
    assert classifiers.training_config(showers, Config()).batch_size == batch


def test_a_note_tells_of_small_samples():
    assert classifiers.note(100_000, Config()) == ""
    assert "600 showers of each sample in batches of 100, and calibrated by 200" in classifiers.note(1000, Config())


def test_what_cannot_be_classified_is_named():
    with pytest.raises(InputError, match="9 showers, expected at least 10"):
        classifiers.classifier_score(KEY, NET, normal(n=9), normal(), SHORT)
    with pytest.raises(InputError, match="1 sample, expected at least two"):
        classifiers.log_posterior(KEY, NET, {"one": normal()}, normal(), SHORT)
    with pytest.raises(InputError, match="calochallenge_1_photons: the convolutional classifier needs equal layers"):
        classifiers.convolutional(geometry.named("calochallenge_1_photons"))
