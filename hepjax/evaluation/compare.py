"""The comparison of shower samples behind `hepjax compare`: every number of the report is made here.

Each metric stands beside its floor, what two samples of the reference's own law show at the same size, and each sample
enters with its first n showers, n the size of the smallest, so that the floor is the same for all.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hepjax import metrics
from hepjax.evaluation.two_sample import NETWORK, two_sample
from hepjax.metrics.comparison import Comparison, Distribution, Examples, Profile
from hepjax.training.config import Config
from hepjax.types import InputError, PRNGKey, Showers

BINS = 50
CENTRAL = 0.99
MARGIN = 0.25
CORRELATION_ROWS = 4000
ABOVE_MEV = 1.0
EXAMPLES = 5
FEWEST = 60


class _Ruler(NamedTuple):
    """What samples are measured with: histograms of all, and by observable and metric the reference's floors."""

    distributions: Sequence[Distribution]
    floors: Mapping[str, Mapping[str, metrics.Floor]]


def compare(
    key: PRNGKey,
    reference: Showers,
    generated: Showers,
    baseline: Showers | None = None,
    *,
    train: Showers | None = None,
    names: Sequence[str] = ("reference", "generated", "baseline"),
    config: Config = NETWORK,
) -> Comparison:
    """Compare generated showers (and a baseline) with a reference of the same geometry.

    key: of the classifiers' training. train: reference showers the generator was trained on, for the test of copies.
    names: of the samples, in the figures' legends. config: of the classifier network. Raises InputError for samples
    of another geometry, or of fewer than 60 showers.
    """
    others = (generated,) if baseline is None else (generated, baseline)
    samples = dict(zip(names, (reference, *others), strict=False))
    _check(samples)
    n = min(map(len, samples.values()))
    first, *rest = (sample[:n] for sample in samples.values())
    views = dict(zip(samples, (first, *rest), strict=True))
    distributions = [_distribution(o, views) for o in metrics.observables(first)]
    ruler = _Ruler(distributions, _floors(first, distributions))
    scores = [_scores(key, first, name, other, ruler, train, config) for name, other in _tail(views)]
    return Comparison(
        samples=tuple(samples),
        metrics=_table(samples, n, scores),
        distributions=tuple(distributions),
        profiles=tuple(_profile(kind, f, views) for kind, f in metrics.profiles(first).items()),
        response={name: _response(first, other) for name, other in _tail(views)},
        correlations={name: metrics.cell_correlations(sample) for name, sample in views.items()},
        examples=_examples(views),
        averages={name: _average(sample) for name, sample in views.items()},
        layers=metrics.layers(first.geometry),
    )


def observable_edges(observable: metrics.Observable, reference: np.ndarray) -> np.ndarray:
    """Bins that depend on the reference alone: its central 99 percent with a quarter of that to each side.

    Counts have bins of whole numbers; the cell spectrum runs from the energy below which cells are not told apart.
    """
    if observable.log10:
        return np.linspace(reference.min(), reference.max() + 0.1, BINS + 1)
    low, high = metrics.linear_edges(reference, bins=1, coverage=CENTRAL)
    low, high = low - MARGIN * (high - low), high + MARGIN * (high - low)
    if not observable.discrete:
        return np.linspace(low, high, BINS + 1)
    step = max(1, round((high - low) / BINS))
    return np.arange(max(np.floor(low), 0) - 0.5, high + step, step)


def _check(samples: Mapping[str, Showers]) -> None:
    reference, geometry = next((name, sample.geometry) for name, sample in samples.items())
    for name, sample in samples.items():
        if sample.geometry != geometry:
            found, expected = sample.geometry.name, geometry.name
            raise InputError(f"{name}: geometry {found}, expected {expected} as in {reference}")
        if len(sample) < FEWEST:
            raise InputError(f"{name}: {len(sample)} showers, a comparison needs at least {FEWEST}")


def _tail(views: Mapping[str, Showers]) -> list[tuple[str, Showers]]:
    """The samples to compare with the first."""
    return list(views.items())[1:]


def _distribution(observable: metrics.Observable, views: Mapping[str, Showers]) -> Distribution:
    values = {name: observable.values(sample) for name, sample in views.items()}
    first = next(iter(values.values()))
    edges = observable_edges(observable, first)
    histograms = {name: metrics.histogram(v, edges, fold=True) for name, v in values.items()}
    return Distribution(observable.name, observable.label, histograms, observable.log10, first[0].size)


def _floors(reference: Showers, distributions: Sequence[Distribution]) -> dict[str, dict[str, metrics.Floor]]:
    """Floors of the EMD and of the separation power of each observable, and of the correlations."""
    n, sides = len(reference), metrics.halves(len(reference))
    floors = {}
    for observable, d in zip(metrics.observables(reference), distributions, strict=True):
        values, edges = observable.values(reference), next(iter(d.histograms.values())).edges
        floors[d.name] = {
            "emd": metrics.emd_floor(values, n, sides),
            "separation": metrics.separation_floor(values, edges, n, sides),
        }
    cells = metrics.fractions(reference[:CORRELATION_ROWS])

    def differ(rows: np.ndarray, others: np.ndarray) -> float:
        return _rms(metrics.correlations(cells[rows]) - metrics.correlations(cells[others]))

    floors["correlations"] = {"rms": metrics.statistic_floor(differ, n, metrics.halves(len(cells)))}
    return floors


def _scores(
    key: PRNGKey, reference: Showers, name: str, other: Showers, ruler: _Ruler, train: Showers | None, config: Config
) -> dict[str, Any]:
    """Every number about one sample."""
    difference = metrics.cell_correlations(reference) - metrics.cell_correlations(other)
    scores = _aucs(key, reference, other, config)
    scores["observables"] = {
        o.name: _distances(o, d, reference, name, other, ruler.floors[o.name])
        for o, d in zip(metrics.observables(reference), ruler.distributions, strict=True)
    }
    scores["correlations"] = metrics.against("rms", _rms(difference), ruler.floors["correlations"]["rms"])
    scores["response"] = [_response_row(row) for row in _response(reference, other)]
    if train is not None:
        train_view, reference_view, other_view = map(metrics.classifier_view, (train, reference, other))
        scores["copies"] = metrics.copy_test(train_view, reference_view, other_view)._asdict()
    return scores


def _aucs(key: PRNGKey, reference: Showers, other: Showers, config: Config) -> dict[str, Any]:
    """AUC of the classifiers on all cells, on those above 1 MeV, and on the layers' energies where there are layers."""
    layered = bool(reference.geometry.layers)
    cells = reference.geometry.voxels if layered else 0
    above = functools.partial(metrics.classifier_view, threshold_mev=ABOVE_MEV)
    views = [("", metrics.classifier_view, cells), ("_above_1mev", above, cells)]
    if layered:
        views.append(("_layers", metrics.layer_view, 0))
    scores = {}
    for suffix, view, cells in views:
        for classifier, area in two_sample(key, view(reference), view(other), config, cells=cells).items():
            scores[f"auc_{classifier}{suffix}"] = area.value
            scores[f"auc_{classifier}{suffix}_error"] = area.error
    return scores


def _distances(
    observable: metrics.Observable,
    distribution: Distribution,
    reference: Showers,
    name: str,
    other: Showers,
    floors: Mapping[str, metrics.Floor],
) -> dict[str, float]:
    a, b = (observable.values(s).ravel() for s in (reference, other))
    histograms = distribution.histograms
    separation = metrics.separation_power(next(iter(histograms.values())), histograms[name])
    emd = float(metrics.wasserstein(a, b))
    return metrics.against("emd", emd, floors["emd"]) | metrics.against("separation", separation, floors["separation"])


def _response(reference: Showers, other: Showers) -> tuple[metrics.ResponseBin, ...]:
    energy, other_energy = (np.asarray(s.incident_energy) for s in (reference, other))
    return metrics.response_in_bins(energy, metrics.sum_over_e(reference), other_energy, metrics.sum_over_e(other))


def _response_row(row: metrics.ResponseBin) -> dict[str, Any]:
    return row._asdict() | {"reference": row.reference._asdict(), "generated": row.generated._asdict()}


def _rms(matrix: np.ndarray) -> float:
    """Root mean square off the diagonal."""
    size = len(matrix)
    return float(np.sqrt((np.square(matrix).sum() - np.square(np.diag(matrix)).sum()) / (size * (size - 1))))


def _profile(kind: str, profile: Callable[[Showers], np.ndarray], views: Mapping[str, Showers]) -> Profile:
    values = {name: profile(sample) for name, sample in views.items()}
    errors = {name: v.std(0, ddof=1) / np.sqrt(len(v)) for name, v in values.items()}
    return Profile(kind, {name: v.mean(0) for name, v in values.items()}, errors)


def _examples(views: Mapping[str, Showers]) -> dict[str, Examples]:
    """Showers of nearly the same incident energies from every sample, spread over the reference's range."""
    reference = np.asarray(next(iter(views.values())).incident_energy)
    targets = np.quantile(reference, np.linspace(0.05, 0.95, EXAMPLES))
    return {name: _nearest(sample, targets) for name, sample in views.items()}


def _nearest(showers: Showers, energies: np.ndarray) -> Examples:
    distance = np.abs(np.asarray(showers.incident_energy)[:, None] - energies)
    chosen = showers[distance.argmin(0)]
    return Examples(np.asarray(chosen.incident_energy), metrics.split(np.asarray(chosen.voxels), showers.geometry))


def _average(showers: Showers) -> tuple[np.ndarray, ...]:
    return metrics.split(metrics.fractions(showers).mean(0), showers.geometry)


def _table(samples: Mapping[str, Showers], n: int, scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The content of metrics.json: numbers of the generated sample at the top, those of the baseline below its key."""
    table = {"samples": {name: len(sample) for name, sample in samples.items()}, "showers_compared": n, **scores[0]}
    return table | ({"baseline": scores[1]} if len(scores) > 1 else {})
