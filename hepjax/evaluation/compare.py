"""The comparison of shower samples behind `hepjax compare`: every number of the report is made here.

Each metric stands beside its floor, what two samples of the reference's own law show at the same size, and each sample
enters with n showers, drawn at random, n the size of the smallest, so that the floor is the same for all.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hepjax import metrics
from hepjax.evaluation.compare_config import METRICS, Metric
from hepjax.evaluation.two_sample import NETWORK, below_half_notes, two_sample
from hepjax.metrics.comparison import Comparison, Distribution, Examples, Profile
from hepjax.training.config import Config
from hepjax.training.progress import progress_bar
from hepjax.types import InputError, PRNGKey, Showers

BINS = 50
CENTRAL = 0.99
MARGIN = 0.25
CORRELATION_ROWS = 4000
ABOVE_MEV = 1.0
EXAMPLES = 5
FEWEST = 60
CLASSIFIERS: tuple[Metric, ...] = ("mlp", "trees")

Say = Callable[[str], None]


class _Ruler(NamedTuple):
    """What samples are measured with: histograms of all, and by observable and metric the reference's floors."""

    distributions: Sequence[Distribution]
    floors: Mapping[str, Mapping[str, metrics.Floor]]


class _Task(NamedTuple):
    """What is measured of every sample, how, and whom to tell when it begins."""

    asked: Sequence[Metric]
    config: Config
    say: Say


def compare(
    key: PRNGKey,
    reference: Showers,
    generated: Showers,
    baseline: Showers | None = None,
    *,
    train: Showers | None = None,
    names: Sequence[str] = ("reference", "generated", "baseline"),
    asked: Sequence[Metric] = METRICS,
    largest: int | None = None,
    config: Config = NETWORK,
) -> Comparison:
    """Compare generated showers (and a baseline) with a reference of the same geometry.

    key: of the classifiers' training. train: reference showers the generator was trained on, for the test of copies.
    names: of the samples, in the figures' legends. asked: what to measure. largest: number of showers of each sample
    to compare at most. config: of the classifier network. Raises InputError for samples of another geometry, or of
    fewer than 60 showers, and where fewer are asked for.
    """
    others = (generated,) if baseline is None else (generated, baseline)
    samples = dict(zip(names, (reference, *others), strict=False))
    _check(samples, largest)
    sizes = [len(sample) for sample in samples.values()]
    n = min(sizes if largest is None else [*sizes, largest])
    first, *rest = (sample[metrics.subset(len(sample), n)] for sample in samples.values())
    views = dict(zip(samples, (first, *rest), strict=True))
    distributions = [_distribution(o, views) for o in metrics.observables(first)]
    with progress_bar("compare", 1 + len(rest) * (1 + len(_areas(first, asked)))) as show:
        task = _Task(asked, config, _counted(show))
        task.say("floors")
        ruler = _Ruler(distributions, _floors(first, distributions, asked))
        scores = [_scores(key, first, name, other, ruler, train, task) for name, other in _tail(views)]
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


def _check(samples: Mapping[str, Showers], largest: int | None) -> None:
    if largest is not None and largest < FEWEST:
        raise InputError(f"{largest} showers asked for, a comparison needs at least {FEWEST}")
    reference, geometry = next((name, sample.geometry) for name, sample in samples.items())
    for name, sample in samples.items():
        if sample.geometry != geometry:
            found, expected = sample.geometry.name, geometry.name
            raise InputError(f"{name}: geometry {found}, expected {expected} as in {reference}")
        if len(sample) < FEWEST:
            raise InputError(f"{name}: {len(sample)} showers, a comparison needs at least {FEWEST}")


def _counted(show: Callable[[float, str], None]) -> Say:
    """Move a bar by one step each time that something begins."""
    begun = itertools.count()
    return lambda text: show(next(begun), text)


def _tail(views: Mapping[str, Showers]) -> list[tuple[str, Showers]]:
    """The samples to compare with the first."""
    return list(views.items())[1:]


def _distribution(observable: metrics.Observable, views: Mapping[str, Showers]) -> Distribution:
    values = {name: observable.values(sample) for name, sample in views.items()}
    first = next(iter(values.values()))
    edges = observable_edges(observable, first)
    histograms = {name: metrics.histogram(v, edges, fold=True) for name, v in values.items()}
    return Distribution(observable.name, observable.label, histograms, observable.log10, first[0].size)


def _floors(
    reference: Showers, distributions: Sequence[Distribution], asked: Sequence[Metric]
) -> dict[str, dict[str, metrics.Floor]]:
    """Floors of the EMD and of the separation power of each observable, and of the correlations."""
    n, sides = len(reference), metrics.halves(len(reference))
    floors = {}
    if "distances" in asked:
        for observable, d in zip(metrics.observables(reference), distributions, strict=True):
            values, edges = observable.values(reference), next(iter(d.histograms.values())).edges
            floors[d.name] = {
                "emd": metrics.emd_floor(values, n, sides),
                "separation": metrics.separation_floor(values, edges, n, sides),
            }
    if "correlations" in asked:
        cells = metrics.fractions(reference[metrics.subset(n, CORRELATION_ROWS)])

        def differ(rows: np.ndarray, others: np.ndarray) -> float:
            return _rms(metrics.correlations(cells[rows]) - metrics.correlations(cells[others]))

        floors["correlations"] = {"rms": metrics.statistic_floor(differ, n, metrics.halves(len(cells)))}
    return floors


def _scores(
    key: PRNGKey, reference: Showers, name: str, other: Showers, ruler: _Ruler, train: Showers | None, task: _Task
) -> dict[str, Any]:
    """Every number about one sample."""
    scores: dict[str, Any] = _aucs(key, reference, name, other, task)
    task.say(f"{name}: distances")
    if "distances" in task.asked:
        scores["observables"] = {
            o.name: _distances(o, d, reference, name, other, ruler.floors[o.name])
            for o, d in zip(metrics.observables(reference), ruler.distributions, strict=True)
        }
    if "correlations" in task.asked:
        difference = metrics.cell_correlations(reference) - metrics.cell_correlations(other)
        scores["correlations"] = metrics.against("rms", _rms(difference), ruler.floors["correlations"]["rms"])
    scores["response"] = [_response_row(row) for row in _response(reference, other)]
    tests = metrics.response_tests(*_energy_and_response(reference), *_energy_and_response(other))
    scores["response_tests"] = {quantity: test._asdict() for quantity, test in tests.items()}
    scores["equal_rows"] = metrics.equal_rows(*map(metrics.classifier_view, (reference, other)))._asdict()
    if train is not None:
        train_view, reference_view, other_view = map(metrics.classifier_view, (train, reference, other))
        scores["copies"] = metrics.copy_test(train_view, reference_view, other_view)._asdict()
    return scores


def _areas(reference: Showers, asked: Sequence[Metric]) -> list[tuple[str, Callable[[Showers], np.ndarray], int, str]]:
    """What classifiers see: all cells, those above 1 MeV, and the layers' energies where there are layers.

    Suffix of the key, view, number of its columns that are cells, and classifier.
    """
    layered = bool(reference.geometry.layers)
    cells = reference.geometry.voxels if layered else 0
    above = functools.partial(metrics.classifier_view, threshold_mev=ABOVE_MEV)
    views = [("", metrics.classifier_view, cells), ("_above_1mev", above, cells)]
    if layered:
        views.append(("_layers", metrics.layer_view, 0))
    return [(*view, classifier) for view in views for classifier in CLASSIFIERS if classifier in asked]


def _aucs(key: PRNGKey, reference: Showers, name: str, other: Showers, task: _Task) -> dict[str, Any]:
    scores = {}
    for suffix, view, cells, classifier in _areas(reference, task.asked):
        task.say(f"{name}: {classifier}{suffix.replace('_', ' ')}")
        samples = view(reference), view(other)
        area = two_sample(key, *samples, task.config, cells=cells, classifiers=(classifier,))[classifier]
        scores |= {f"auc_{classifier}{suffix}": area.value, f"auc_{classifier}{suffix}_error": area.error}
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
    return metrics.response_in_bins(*_energy_and_response(reference), *_energy_and_response(other))


def _energy_and_response(showers: Showers) -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(showers.incident_energy), metrics.sum_over_e(showers)


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
    table = {
        "samples": {name: len(sample) for name, sample in samples.items()},
        "showers_compared": n,
        "notes": _notes(samples, n, scores),
        **scores[0],
    }
    return table | ({"baseline": scores[1]} if len(scores) > 1 else {})


def _notes(samples: Mapping[str, Showers], n: int, scores: Sequence[dict[str, Any]]) -> list[str]:
    """What to know before the numbers: samples that are cut, equal showers, classifiers that copies mislead."""
    notes = [
        f"{name}: {n:,} of {len(sample):,} showers, drawn at random"
        for name, sample in samples.items()
        if len(sample) > n
    ]
    reference, *others = samples
    for name, numbers in zip(others, scores, strict=True):
        equal = metrics.EqualRows(**numbers["equal_rows"])
        if equal.shared:
            notes.append(f"{name}: {equal.shared:,} of {n:,} showers are in {reference} too, equal in every cell")
        if equal.generated:
            notes.append(f"{name}: {equal.generated:,} of {n:,} showers repeat an earlier one")
        notes += below_half_notes(name, numbers)
    if repeated := scores[0]["equal_rows"]["reference"]:
        notes.append(f"{reference}: {repeated:,} of {n:,} showers repeat an earlier one")
    return notes
