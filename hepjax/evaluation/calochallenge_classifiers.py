"""The classifiers of the CaloChallenge: how well a network tells generated showers from Geant4's (arXiv:2410.21611).

The showers of each sample are split at random into 60, 20 and 20 percent. A classifier trains on the first part; on the
second its best epoch is chosen and its probabilities are calibrated; the third gives its AUC and JSD. Among several
submissions a classifier of many classes tells which of them Geant4's showers are taken for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.special import expit, log_softmax
from sklearn.isotonic import IsotonicRegression

from hepjax import nets
from hepjax.caching import cached
from hepjax.classifiers import binary, multiclass
from hepjax.evaluation.calochallenge_config import Config
from hepjax.metrics import Estimate, auc
from hepjax.metrics.calorimeter import SMALLEST_MEV, TINY
from hepjax.metrics.layers import calorimeter_layers
from hepjax.training.config import Config as Training
from hepjax.training.loop import fit
from hepjax.types import Classifier, Geometry, InputError, Labelled, Net, Params, PRNGKey, Showers

PARTS = (0.6, 0.2, 0.2)
FEWEST = 10
CERTAIN = 1e-6
AT_ONCE = 1000

# What a classifier sees of rows of a sample, which is an array or a `Showers`.
View = Callable[[Any], np.ndarray]
Calibration = Callable[[np.ndarray], np.ndarray]


class Score(NamedTuple):
    """How well a classifier tells a sample from the reference: 0.5 and 0 where it cannot.

    auc: area under the ROC curve. jsd: Jensen-Shannon divergence in bits, at least what the classifier finds of it.
    sizes: showers of each sample to train on, to choose the epoch and calibrate with, and to score.
    """

    auc: float
    auc_error: float
    jsd: float
    jsd_error: float
    sizes: tuple[int, int, int]


def low_view(showers: Showers) -> Float[np.ndarray, "n d"]:
    """[log10 E_inc, E_voxel / E_inc] of every shower, energies in MeV: (n, 1 + voxels)."""
    energy, voxels = np.asarray(showers.incident_energy)[:, None], np.asarray(showers.voxels)
    return np.concatenate([np.log10(energy), voxels / energy], axis=1)


def low_normed_view(showers: Showers) -> Float[np.ndarray, "n d"]:
    """[log10 E_inc, E_voxel / E_layer, log10 E_layer] of every shower, energies in MeV: (n, 1 + voxels + layers)."""
    energy, voxels = np.asarray(showers.incident_energy)[:, None], np.asarray(showers.voxels)
    sizes = [layer.voxels for layer in calorimeter_layers(showers.geometry)]
    layers = np.add.reduceat(voxels, np.cumsum([0, *sizes[:-1]]), axis=1)
    shares = voxels / (np.repeat(layers, sizes, axis=1) + TINY)
    return np.concatenate([np.log10(energy), shares, np.log10(layers + SMALLEST_MEV)], axis=1)


def perceptron(dim: int, config: Config = Config(), classes: int = 1) -> Net:  # noqa: B008 - frozen
    """The challenge's network for any view of `dim` numbers."""
    return nets.mlp(dim, classes, config.hidden, activation="leaky_relu")


def convolutional(geometry: Geometry, config: Config = Config(), classes: int = 1) -> Net:  # noqa: B008 - frozen
    """The network for `low_view` of equal layers, sets 2 and 3; raises InputError for another geometry."""
    if len(geometry.shape) != 3:
        raise InputError(f"geometry {geometry.name}: the convolutional classifier needs equal layers (layer, alpha, r)")
    layers, alpha, r = geometry.shape
    return nets.resnet3d((layers, alpha, r), classes, config.cnn_widths)


def classifier_score(
    key: PRNGKey,
    net: Net,
    reference: Any,
    generated: Any,
    config: Config = Config(),  # noqa: B008 - frozen
    view: View = np.asarray,
) -> Score:
    """AUC and JSD of a classifier of generated against reference showers, with their errors.

    key: of the training; the split has a fixed seed. net: (..., d) -> (..., 1). reference, generated: (n, d) and
    (m, d) arrays, or anything with `len` and rows of which `view` makes such arrays, as `Showers` and `low_view`: the
    view is then taken of one part after the other. Of the larger sample count as many rows, drawn at random, as the
    smaller has.

    The AUC's error is DeLong's, that of the JSD = 1 - (cross-entropy / ln 2) the standard error of the mean; neither
    knows of other trainings. The JSD of few showers is low: a calibration by k showers is wrong by about 1 / sqrt(k).
    Raises InputError for samples of fewer than ten showers.
    """
    samples, classifier = (reference, generated), binary(net)
    train, held, test = split(samples)
    calibrating = _part(samples, held, view)
    params = _most_accurate(key, classifier, _part(samples, train, view), calibrating, config)
    calibration = calibrated(expit(_logits(classifier, params, calibrating.x)), np.asarray(calibrating.label))
    scored = _part(samples, test, view)
    probability, label = calibration(expit(_logits(classifier, params, scored.x))), np.asarray(scored.label)
    area = auc(probability[label == 0], probability[label == 1])
    divergence = jensen_shannon(probability, label)
    return Score(*area, *divergence, sizes=(len(train[0]), len(held[0]), len(test[0])))


def calibrated(probability: Float[np.ndarray, " n"], label: Int[np.ndarray, " n"]) -> Calibration:
    """Map of probabilities of label 1 to the share of that label among showers of such a probability, within 1e-6."""
    isotonic = IsotonicRegression(y_min=CERTAIN, y_max=1 - CERTAIN, out_of_bounds="clip")
    return isotonic.fit(probability, label).predict


def jensen_shannon(probability: Float[np.ndarray, " n"], label: Int[np.ndarray, " n"]) -> Estimate:
    """JSD = (ln 2 - cross-entropy) / ln 2 in bits, of probabilities of label 1 and as many showers of each label."""
    nll = -np.log(np.where(label == 1, probability, 1 - probability)) / np.log(2)
    return Estimate(float(1 - nll.mean()), float(nll.std(ddof=1) / np.sqrt(len(nll))))


def log_posterior(
    key: PRNGKey,
    net: Net,
    samples: Mapping[str, Any],
    reference: Any,
    config: Config = Config(),  # noqa: B008 - frozen
    view: View = np.asarray,
) -> dict[str, Estimate]:
    """Mean ln p(sample | shower) of the reference's showers by a classifier of the samples, with its standard error.

    The larger, the closer to the reference; -ln K says that the classifier prefers none of the K samples. It trains on
    the first part of every sample; the second chooses the epoch, by the cross-entropy, a proper score of the
    probabilities, which are not calibrated further. All showers of the reference count, none is trained on.
    key, view: see `classifier_score`. net: (..., d) -> (..., K).

    Raises InputError for fewer than two samples, or samples of fewer than ten showers.
    """
    if len(samples) < 2:
        raise InputError(f"log-posterior: {len(samples)} sample, expected at least two to compare")
    arrays, classifier = list(samples.values()), multiclass(net)
    train, held = (_part(arrays, rows, view) for rows in split(arrays)[:2])
    params = fit(key, classifier, train, training_config(len(train.label), config), validation=held).params
    posterior = log_softmax(_logits(classifier, params, jnp.asarray(view(reference), jnp.float32)), axis=-1)
    errors = posterior.std(0, ddof=1) / np.sqrt(len(posterior))
    return {name: Estimate(float(p), float(e)) for name, p, e in zip(samples, posterior.mean(0), errors, strict=True)}


def split(samples: Sequence[Any]) -> list[list[np.ndarray]]:
    """Rows of each sample in each of the three parts, drawn from all, as many as the smallest sample has."""
    n = min(map(len, samples))
    if n < FEWEST:
        raise InputError(f"classifier: {n} showers, expected at least {FEWEST} of each sample")
    ends = np.round(np.cumsum(PARTS[:-1]) * n).astype(int)
    rng = np.random.default_rng(0)
    drawn = (np.split(rng.permutation(len(sample))[:n], ends) for sample in samples)
    return [list(part) for part in zip(*drawn, strict=True)]


def training_config(showers: int, config: Config) -> Training:
    """The published recipe for a number of showers to train on, with batches small enough for as many steps."""
    return Training(
        epochs=config.epochs,
        batch_size=int(np.clip(showers // config.steps, config.smallest_batch, config.batch_size)),
        learning_rate=config.learning_rate,
        schedule="constant",
        warmup=0.0,
        weight_decay=0.0,
        clip_norm=0.0,
        ema=0.0,
        validation=0.0,
    )


def note(n: int, config: Config) -> str:
    """How a score of n showers of each sample differs from a published one; empty if it does not."""
    train, held = round(PARTS[0] * n), round(PARTS[1] * n)
    batch = training_config(2 * train, config).batch_size
    if batch >= config.batch_size:
        return ""
    return (
        f"trained on {train:,} showers of each sample in batches of {batch}, and calibrated by {held:,} of each "
        f"(published: 60,000, {config.batch_size}, 20,000); fewer showers leave the classifier blind to small "
        "differences, and make the JSD too low"
    )


def _part(samples: Sequence[Any], rows: Sequence[np.ndarray], view: View) -> Labelled:
    """Views of some rows of each sample, one sample after the other, and their labels 0, 1 ..."""
    x = np.empty((len(samples), len(rows[0]), view(samples[0][:1]).shape[1]), np.float32)
    # A view is taken of a few showers at a time: that of a whole part, beside the table, would need twice its memory.
    for table, sample, part in zip(x, samples, rows, strict=True):
        for start in range(0, len(part), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            table[some] = view(sample[part[some]])
    return Labelled(jnp.asarray(x.reshape(-1, x.shape[-1])), jnp.repeat(jnp.arange(len(samples)), len(rows[0])))


def _most_accurate(key: PRNGKey, classifier: Classifier, train: Labelled, held: Labelled, config: Config) -> Params:
    """Parameters after the epoch with the best accuracy on `held`, which is what the challenge chooses by."""
    label = np.asarray(held.label)

    def mistakes(key: PRNGKey, params: Params) -> float:
        return float(np.mean((_logits(classifier, params, held.x) > 0) != label))

    return fit(key, classifier, train, training_config(len(train.label), config), score=mistakes).params


def _logits(classifier: Classifier, params: Params, x: Float[Array, "n d"]) -> np.ndarray:
    return np.asarray(_compiled(classifier)(params, x), np.float64)


@cached
def _compiled(classifier: Classifier) -> Callable[..., jax.Array]:
    def logits(params, x):
        return jax.lax.map(functools.partial(classifier.logits, params), x, batch_size=AT_ONCE)

    return jax.jit(logits)
