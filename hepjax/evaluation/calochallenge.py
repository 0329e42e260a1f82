"""The evaluation of the CaloChallenge (arXiv:2410.21611) behind `hepjax calochallenge evaluate`.

Samples are read in slices: what stays in memory are their features. The metrics that need the voxels themselves take
random showers of each sample, as many as the memory given holds.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hepjax import metrics
from hepjax.evaluation import calochallenge_classifiers as classifiers
from hepjax.evaluation.calochallenge_classifiers import View, low_normed_view, low_view
from hepjax.evaluation.calochallenge_config import Config
from hepjax.evaluation.calochallenge_samples import Limits, Sample, Source, held, read
from hepjax.evaluation.calochallenge_separations import separations
from hepjax.metrics.calochallenge import CaloComparison
from hepjax.metrics.calorimeter_observables import discrete_energies, same_energy
from hepjax.types import InputError, PRNGKey, Showers

REFERENCE, BASELINE = "reference", "baseline"
FEWEST = 60
NEIGHBOURS_AMONG = 10_000
THOUSAND = 1e3
"""The published tables give FPD and KPD in units of 1e-3."""

Scores = dict[str, Any]


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

    dataset: 1-photons, 1-pions, 2 or 3. asked: `separation`, `multiclass`, keys of `OF_FEATURES` and `OF_VOXELS`.
    key, config: of the classifiers. Raises InputError for samples of another geometry than the reference's, for
    unphysical showers, for fewer than 60 showers, and for other incident energies than a reference of a few has.
    """
    others = {**generated, **({} if baseline is None else {BASELINE: baseline})}
    _check(reference, others)
    if "multiclass" in asked and len(generated) < 2:
        raise InputError("multiclass: one generated sample, expected at least two to compare")
    if "cnn" in asked:
        classifiers.convolutional(reference.geometry, config)  # which refuses a geometry before the work
    first = read(REFERENCE, reference, limits)
    rest = {name: read(name, source, limits) for name, source in others.items()}
    _check_energies(first, rest.values())
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
        threshold_mev=limits.threshold(reference.geometry),
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


def _check_energies(first: Sample, rest: Iterable[Sample]) -> None:
    """Where the reference has a few incident energies, as in set 1, every sample has showers at each, and no others."""
    energies = discrete_energies(np.asarray(first.features.incident_energy))
    for sample in rest if len(energies) else ():
        found = np.asarray(sample.features.incident_energy)
        at = same_energy(found[:, None], energies)
        if len(other := found[~at.any(1)]):
            few = f"{len(other)} showers of {other[0]:.9g} MeV and such"
            raise InputError(f"{sample.name}: {few}, expected {_words(energies)} as in the reference")
        if len(missing := energies[~at.any(0)]):
            raise InputError(f"{sample.name}: no showers of {_words(missing)}, expected some as in the reference")


def _words(energies: np.ndarray) -> str:
    return f"{', '.join(f'{energy:.9g}' for energy in energies)} MeV"


def _scores(key: PRNGKey, first: Sample, other: Sample, asked: Sequence[str], config: Config) -> Scores:
    """What was asked for of one sample, but for what takes all samples together."""
    features = [metric for name, metric in OF_FEATURES.items() if name in asked]
    parts = [metric(key, first.vectors, other.vectors, config) for metric in features]
    of_voxels = [metric for name, metric in OF_VOXELS.items() if name in asked]
    if of_voxels:
        reference, generated = (sample.voxels(held(first, other)) for sample in (first, other))
        parts += [metric(key, reference, generated, config) for metric in of_voxels]
    return {name: value for part in parts for name, value in part.items()}


def _high(key: PRNGKey, reference: np.ndarray, generated: np.ndarray, config: Config) -> Scores:
    net = classifiers.perceptron(reference.shape[1], config)
    return _classified("high", classifiers.classifier_score(key, net, reference, generated, config))


def _low(key: PRNGKey, reference: Showers, generated: Showers, config: Config, name: str, view: View) -> Scores:
    net = classifiers.perceptron(view(reference[:1]).shape[1], config)
    return _classified(name, classifiers.classifier_score(key, net, reference, generated, config, view))


def _cnn(key: PRNGKey, reference: Showers, generated: Showers, config: Config) -> Scores:
    net = classifiers.convolutional(reference.geometry, config)
    return _classified("cnn", classifiers.classifier_score(key, net, reference, generated, config, low_view))


def _prdc(key: PRNGKey, reference: Showers, generated: Showers, config: Config) -> Scores:
    del key, config
    drawn = (s[metrics.subset(len(s), NEIGHBOURS_AMONG)] for s in (reference, generated))
    x, y = (metrics.log_voxels(np.asarray(s.voxels)) for s in drawn)
    found = metrics.prdc(x, y)
    return {name: value for pair in found._asdict().items() for name, value in _with_error(*pair).items()}


# (key of the training, reference, other sample, configuration of the classifiers) -> scores
Metric = Callable[[PRNGKey, Any, Any, Config], Scores]
OF_FEATURES: dict[str, Metric] = {
    "fpd": lambda key, x, y, config: _in_thousandths("fpd", metrics.fpd(x, y)),
    "kpd": lambda key, x, y, config: _in_thousandths("kpd", metrics.kpd(x, y)),
    "high": _high,
}
"""The metrics of one sample against the reference that take vectors of features."""
OF_VOXELS: dict[str, Metric] = {
    "prdc": _prdc,
    "low": functools.partial(_low, name="low", view=low_view),
    "low_normed": functools.partial(_low, name="low_normed", view=low_normed_view),
    "cnn": _cnn,
}
"""Those that take showers."""
CLASSIFIERS = ("low", "low_normed", "high", "cnn")


def _log_posteriors(
    key: PRNGKey, first: Sample, generated: Sequence[Sample], config: Config
) -> dict[str, metrics.Estimate]:
    """Of the classifier of all submissions by their features."""
    vectors = {sample.name: sample.vectors for sample in generated}
    net = classifiers.perceptron(first.vectors.shape[1], config, classes=len(vectors))
    return classifiers.log_posterior(key, net, vectors, first.vectors, config)


def _notes(asked: Sequence[str], first: Sample, rest: Sequence[Sample], config: Config) -> dict[str, str]:
    """By metric, how its size differs from the published one, and which samples are cut."""
    smallest = min(rest, key=lambda sample: len(sample.source))
    distances = metrics.size_notes(len(first.source), len(smallest.source))
    notes = {}
    for name in filter({**OF_FEATURES, **OF_VOXELS}.__contains__, asked):
        trained = classifiers.note(_rows(name, first, smallest), config) if name in CLASSIFIERS else ""
        notes[name] = "; ".join(filter(None, (distances.get(name), *_cuts(name, first, rest), trained)))
    if "multiclass" in asked:
        generated = [sample for sample in rest if sample.name != BASELINE]
        rows = min(len(sample.source) for sample in generated)
        notes["multiclass"] = "; ".join(filter(None, (_cut(sample, rows) for sample in generated)))
    return {name: note for name, note in notes.items() if note}


def _rows(name: str, first: Sample, other: Sample) -> int:
    """Showers of each of two samples that a metric takes, but for FPD and KPD, which draw from all."""
    if name not in OF_VOXELS:
        return min(len(first.source), len(other.source))
    return min(held(first, other), NEIGHBOURS_AMONG if name == "prdc" else held(first, other))


def _cuts(name: str, first: Sample, rest: Sequence[Sample]) -> list[str]:
    """A line for each sample of which a metric takes a part."""
    if name in ("fpd", "kpd"):
        return []
    pairs = [(sample, _rows(name, first, other)) for other in rest for sample in (first, other)]
    return list(dict.fromkeys(filter(None, (_cut(sample, rows) for sample, rows in pairs))))


def _cut(sample: Sample, rows: int) -> str:
    everything = len(sample.source)
    return f"{rows:,} showers of the {everything:,} of {sample.name}, drawn at random" if rows < everything else ""


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
