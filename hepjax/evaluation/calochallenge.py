"""The evaluation of the CaloChallenge (arXiv:2410.21611) behind `hepjax calochallenge evaluate`.

Samples are read in slices: what stays in memory are their features. The metrics that need the voxels themselves take
the first showers of each sample, as many as the memory given holds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from hepjax import metrics
from hepjax.evaluation import calochallenge_classifiers as classifiers
from hepjax.evaluation.calochallenge_classifiers import View, low_normed_view, low_view
from hepjax.evaluation.calochallenge_config import Config
from hepjax.evaluation.calochallenge_samples import Limits, Sample, Source, held, read
from hepjax.evaluation.calochallenge_separations import separations
from hepjax.metrics.calochallenge import CaloComparison
from hepjax.types import InputError, PRNGKey

REFERENCE, BASELINE = "reference", "baseline"
FEWEST = 60
NEIGHBOURS_AMONG = 10_000
THOUSAND = 1e3
"""The published tables give FPD and KPD in units of 1e-3."""

Scores = dict[str, Any]
# (key of the training, reference, other sample, configuration of the classifiers) -> scores
Metric = Callable[[PRNGKey, Sample, Sample, Config], Scores]


def evaluate(
    key: PRNGKey,
    dataset: str,
    reference: Source,
    generated: Mapping[str, Source],
    baseline: Source | None = None,
    *,
    asked: Sequence[str],
    config: Config = Config(),  # noqa: B008 - frozen
    limits: Limits = Limits(),  # noqa: B008 - immutable
) -> CaloComparison:
    """Evaluate generated showers, by name, and a baseline of further reference showers.

    dataset: 1-photons, 1-pions, 2 or 3. asked: `separation`, `multiclass` and keys of `METRICS`. key, config: of the
    classifiers. Raises InputError for samples of another geometry than the reference's, for unphysical showers, and
    for fewer than 60 showers.
    """
    others = {**generated, **({} if baseline is None else {BASELINE: baseline})}
    _check(reference, others)
    if "multiclass" in asked and len(generated) < 2:
        raise InputError("multiclass: one generated sample, expected at least two to compare")
    if "cnn" in asked:
        classifiers.convolutional(reference.geometry, config)  # which refuses a geometry before the work
    first = read(REFERENCE, reference, limits)
    rest = {name: read(name, source, limits) for name, source in others.items()}
    scores = {name: _scores(key, first, sample, asked, config) for name, sample in rest.items()}
    distributions, powers = separations(first, rest) if "separation" in asked else ((), {})
    for name, rows in powers.items():
        scores[name]["separation"] = rows
    if "multiclass" in asked:
        for name, log_posterior in _log_posteriors(key, first, [rest[name] for name in generated], config).items():
            scores[name] |= _with_error("log_posterior", log_posterior)
    return CaloComparison(
        dataset=dataset,
        geometry=reference.geometry,
        reference=REFERENCE,
        generated=tuple(generated),
        baseline=None if baseline is None else BASELINE,
        counts={sample.name: len(sample.source) for sample in (first, *rest.values())},
        scores=scores,
        notes=_notes(asked, first, list(rest.values()), config),
        distributions=distributions,
        average={sample.name: sample.average for sample in (first, *rest.values())},
    )


def _check(reference: Source, others: Mapping[str, Source]) -> None:
    if not reference.geometry.polar:
        raise InputError(f"{REFERENCE}: geometry {reference.geometry.name}, expected one of the CaloChallenge")
    for name, source in {REFERENCE: reference, **others}.items():
        if source.geometry != reference.geometry:
            found, expected = source.geometry.name, reference.geometry.name
            raise InputError(f"{name}: geometry {found}, expected {expected} as in the reference")
        if len(source) < FEWEST:
            raise InputError(f"{name}: {len(source)} showers, an evaluation needs at least {FEWEST}")


def _scores(key: PRNGKey, first: Sample, other: Sample, asked: Sequence[str], config: Config) -> Scores:
    """What was asked for of one sample, but for what takes all samples together."""
    parts = [metric(key, first, other, config) for name, metric in METRICS.items() if name in asked]
    return {name: value for part in parts for name, value in part.items()}


def _fpd(key: PRNGKey, first: Sample, other: Sample, config: Config) -> Scores:
    del key, config
    return _in_thousandths("fpd", metrics.fpd(first.vectors, other.vectors))


def _kpd(key: PRNGKey, first: Sample, other: Sample, config: Config) -> Scores:
    del key, config
    return _in_thousandths("kpd", metrics.kpd(first.vectors, other.vectors))


def _prdc(key: PRNGKey, first: Sample, other: Sample, config: Config) -> Scores:
    del key, config
    rows = min(NEIGHBOURS_AMONG, held(first, other))
    x, y = (metrics.log_voxels(np.asarray(sample.voxels(rows).voxels)) for sample in (first, other))
    found = metrics.prdc(x, y)
    return {name: value for pair in found._asdict().items() for name, value in _with_error(*pair).items()}


def _high(key: PRNGKey, first: Sample, other: Sample, config: Config) -> Scores:
    net = classifiers.perceptron(first.vectors.shape[1], config)
    return _classified("high", classifiers.classifier_score(key, net, first.vectors, other.vectors, config))


def _low(key: PRNGKey, first: Sample, other: Sample, config: Config, name: str, view: View = low_view) -> Scores:
    reference, generated = (sample.voxels(held(first, other)) for sample in (first, other))
    if name == "cnn":
        net = classifiers.convolutional(first.source.geometry, config)
    else:
        net = classifiers.perceptron(view(reference[:1]).shape[1], config)
    return _classified(name, classifiers.classifier_score(key, net, reference, generated, config, view))


METRICS: dict[str, Metric] = {
    "fpd": _fpd,
    "kpd": _kpd,
    "prdc": _prdc,
    "high": _high,
    "low": functools.partial(_low, name="low"),
    "low_normed": functools.partial(_low, name="low_normed", view=low_normed_view),
    "cnn": functools.partial(_low, name="cnn"),
}
"""The metrics of one sample against the reference, by name."""
CLASSIFIERS = ("low", "low_normed", "high", "cnn")


def _log_posteriors(
    key: PRNGKey, first: Sample, generated: Sequence[Sample], config: Config
) -> dict[str, metrics.Estimate]:
    """Of the classifier of all submissions by their features."""
    vectors = {sample.name: sample.vectors for sample in generated}
    net = classifiers.perceptron(first.vectors.shape[1], config, classes=len(vectors))
    return classifiers.log_posterior(key, net, vectors, first.vectors, config)


def _notes(asked: Sequence[str], first: Sample, rest: Sequence[Sample], config: Config) -> dict[str, str]:
    """By metric, how its size differs from the published one."""
    smallest = min(rest, key=lambda sample: len(sample.source))
    everything, fit = min(len(first.source), len(smallest.source)), held(first, smallest)
    counted = dict.fromkeys(("low", "low_normed", "cnn"), fit) | {"prdc": min(fit, NEIGHBOURS_AMONG)}
    parts: dict[str, list[str]] = {name: [] for name in METRICS if name in asked}
    for name, note in metrics.size_notes(len(first.source), len(smallest.source)).items():
        parts.setdefault(name, []).append(note)
    for name in parts:
        rows = counted.get(name, everything)
        if rows < everything:
            parts[name].append(f"the first {rows:,} showers of each sample, of {everything:,}")
        if name in CLASSIFIERS:
            parts[name].append(classifiers.note(rows, config))
    joined = {name: "; ".join(filter(None, part)) for name, part in parts.items() if name in asked}
    return {name: note for name, note in joined.items() if note}


def _in_thousandths(name: str, estimate: metrics.Estimate) -> Scores:
    return _with_error(name, metrics.Estimate(THOUSAND * estimate.value, THOUSAND * estimate.error))


def _with_error(name: str, estimate: metrics.Estimate) -> Scores:
    return {name: estimate.value, f"{name}_error": estimate.error}


def _classified(name: str, score: classifiers.Score) -> Scores:
    return {
        f"auc_{name}": score.auc,
        f"auc_{name}_error": score.auc_error,
        f"jsd_{name}": score.jsd,
        f"jsd_{name}_error": score.jsd_error,
    }
