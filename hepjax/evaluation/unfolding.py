"""The comparison of unfolded samples behind `hepjax unfold compare`: every number of the report is made here.

As in public comparisons (arXiv:2308.12351, arXiv:2404.18807): per observable the earth mover's distance to the truth,
with mean and spread of 100 bootstraps, and the triangular discriminator; in all observables together the AUC of
classifiers. Distances stand beside their floor, what truth and sample of one law show: of events that belong to each
other where the sample was unfolded from what was measured of the truth's events (`metrics.nulls`), else of independent
ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from hepjax import metrics, units
from hepjax.evaluation.two_sample import below_half_notes, two_sample
from hepjax.metrics.comparison import Distribution
from hepjax.metrics.histograms import Histogram
from hepjax.metrics.nulls import Null, Nulls, Weighted, kind
from hepjax.metrics.unfolding import Classical, Selected, UnfoldingComparison
from hepjax.training.config import Config
from hepjax.types import AnyArray, InputError, Measured, PRNGKey, Unfolded, Unfolding

TRUTH, RECO, PRIOR = "truth", "reco", "prior"
BOOTSTRAPS = 100
FEWEST = 60
# A few observables of many events need none of the strong weight decay that calorimeter cells do: in six observables of
# Pythia and Vincia, 20,000 events a side, the AUC is 0.548, and 0.527 with the options for cells.
CLASSIFIER = Config(epochs=10, batch_size=500, learning_rate=3e-3, weight_decay=0.1, ema=0.99, validation=0.0)


class _Against(NamedTuple):
    """A sample against the truth: the kind of null, that of each observable, and the events that classifiers see."""

    null: Null
    nulls: tuple[Nulls, ...]
    events: tuple[np.ndarray, np.ndarray]


def compare(
    key: PRNGKey,
    truth: Unfolded,
    samples: Mapping[str, Unfolded],
    reco: Measured | None = None,
    prior: Unfolded | None = None,
    *,
    simulation: Unfolding | None = None,
    rows: Mapping[str, Int[AnyArray, " _"]] | None = None,
    config: Config = CLASSIFIER,
) -> UnfoldingComparison:
    """Compare unfolded samples with the truth, in the observables of the first of them.

    key: of the classifiers' training. samples: name -> unfolded events; the other names are taken. reco: what was
    measured of the truth's events. prior: the simulation's gen, before any unfolding; that of `simulation` where not
    given. simulation: for the migration matrices, and with `reco` for the classical unfolding. rows: name of a sample
    (`reco` too) -> row of the truth that each of its events belongs to, -1 where there is none; a sample that is not
    named shares no event with the truth. config: of the classifier network. The larger sample of a classifier test is
    cut to random events, as the notes of the metrics say. Columns are found by their names, in any order, and brought
    to the truth's units. Weights may be negative in part. Raises InputError for a missing column, units that do not
    convert, fewer than 60 events, values and weights that are not finite or do not add up, or rows that are not of the
    truth or twice the same.
    """
    if not samples:
        raise InputError("a comparison needs at least one unfolded sample")
    names = [column.name for column in next(iter(samples.values())).columns]
    samples = {name: units.like(sample, truth.columns, name) for name, sample in samples.items()}
    reco = None if reco is None else units.like(reco, truth.columns, RECO)
    prior = None if prior is None else units.like(prior, truth.columns, PRIOR)
    simulation = None if simulation is None else units.like(simulation, truth.columns, "simulation")
    prior = _gen(simulation) if prior is None and simulation is not None else prior
    views = {name: _view(name, sample, names) for name, sample in _named(truth, samples, reco, prior).items()}
    against = {name: _against(name, views, rows or {}) for name in views if name != TRUTH}
    distributions = tuple(_distribution(k, views) for k in range(len(names)))
    scores = {name: _scores(key, name, views, distributions, found, config) for name, found in against.items()}
    sizes = {name: _sizes(view) for name, view in views.items()}
    migrations = tuple(_migration(simulation, d) for d in distributions) if simulation is not None else ()
    classical = (
        tuple(_classical(simulation, k, views) for k in range(len(names)))
        if simulation is not None and reco is not None
        else ()
    )
    notes = [line for name, found in against.items() for line in _notes(name, views, found)]
    notes += [note for name, numbers in scores.items() for note in below_half_notes(name, numbers)]
    table = {"columns": names, "samples": sizes, "notes": notes, "scores": scores}
    if classical:
        table["classical"] = {c.migration.column.name: _classical_row(c) for c in classical}
    return UnfoldingComparison(tuple(views), table, distributions, migrations, classical)


def _named(
    truth: Unfolded, samples: Mapping[str, Unfolded], reco: Measured | None, prior: Unfolded | None
) -> dict[str, Unfolded]:
    """All samples by name, the truth first, the measured one as if it were unfolded."""
    taken = [name for name in (TRUTH, RECO, PRIOR) if name in samples]
    if taken:
        raise InputError(f"{taken[0]}: expected another name of an unfolded sample")
    named = {TRUTH: truth}
    if reco is not None:
        named[RECO] = Unfolded(reco.reco, reco.weight, reco.columns)
    if prior is not None:
        named[PRIOR] = prior
    return named | dict(samples)


def _gen(simulation: Unfolding) -> Unfolded:
    """The simulated events in the phase space, before any unfolding."""
    rows = np.asarray(simulation.pass_gen, bool)
    return Unfolded(np.asarray(simulation.gen)[rows], np.asarray(simulation.weight)[rows], simulation.gen_columns)


def _view(name: str, sample: Unfolded, names: list[str]) -> Selected:
    view = metrics.select(sample, names, name)
    if len(view.gen) < FEWEST:
        raise InputError(f"{name}: {len(view.gen)} events, a comparison needs at least {FEWEST}")
    return view


def _sizes(view: Selected) -> dict[str, Any]:
    return {"events": len(view.gen), "effective_size": metrics.effective_size(view.weight)}


def _against(name: str, views: Mapping[str, Selected], rows: Mapping[str, Int[AnyArray, " _"]]) -> _Against:
    truth, other = views[TRUTH], views[name]
    belongs = np.asarray(rows.get(name, np.full(len(other.gen), -1)))
    present = belongs[belongs >= 0]
    if (
        belongs.shape != (len(other.gen),)
        or len(np.unique(present)) < len(present)
        or (present >= len(truth.gen)).any()
    ):
        raise InputError(f"{name}: expected a row of the truth, or -1, for each of {len(other.gen)} events, none twice")
    edges = [metrics.public_edges(column, x) for column, x in zip(truth.columns, truth.gen.T, strict=True)]
    nulls = metrics.nulls(Weighted(truth.gen, truth.weight), Weighted(other.gen, other.weight), belongs, edges)
    null = kind(len(truth.gen), belongs)
    if null == "paired":
        return _Against(null, nulls, (belongs, np.arange(len(belongs))))
    n = min(len(truth.gen), len(other.gen))
    return _Against(null, nulls, (metrics.subset(len(truth.gen), n), metrics.subset(len(other.gen), n)))


def _notes(name: str, views: Mapping[str, Selected], found: _Against) -> list[str]:
    """What was left out of the classifiers' samples."""
    named = zip((TRUTH, name), found.events, strict=True)
    return [
        f"classifiers of {name}: {len(rows):,} random events of the {len(views[sample].gen):,} of {sample}"
        for sample, rows in named
        if len(rows) < len(views[sample].gen)
    ]


def _distribution(k: int, views: Mapping[str, Selected]) -> Distribution:
    """Histograms of the k-th observable of every sample."""
    truth = views[TRUTH]
    column = truth.columns[k]
    edges = metrics.public_edges(column, truth.gen[:, k])
    histograms = {name: _histogram(view.gen[:, k], edges, view) for name, view in views.items()}
    return Distribution(column.name, metrics.label(column), histograms, log10=False, entries=1)


def _histogram(x: np.ndarray, edges: np.ndarray, view: Selected) -> Histogram:
    """Histogram whose variance is the statistical one and that of the replicas' shapes."""
    h = metrics.histogram(x, edges, view.weight)
    if len(view.replicas) < 2:
        return h
    counts = [metrics.histogram(x, edges, h.total * w / w.sum()).counts for w in view.replicas]
    return h._replace(variance=h.variance + np.var(counts, axis=0, ddof=1))


def _scores(
    key: PRNGKey,
    name: str,
    views: Mapping[str, Selected],
    distributions: tuple[Distribution, ...],
    found: _Against,
    config: Config,
) -> dict[str, Any]:
    """Every number about one sample."""
    a, b = views[TRUTH], views[name]
    emds = metrics.wasserstein(a.gen, b.gen, a.weight, b.weight)
    spread = metrics.wasserstein_bootstraps(a.gen, b.gen, a.weight, b.weight, BOOTSTRAPS)
    rows = {}
    for d, emd, draws, null in zip(distributions, emds, spread.T, found.nulls, strict=True):
        triangular = metrics.triangular_discriminator(d.histograms[TRUTH], d.histograms[name])
        rows[d.name] = {
            **metrics.against("emd", float(emd), null.emd),
            "emd_bootstrap_mean": float(draws.mean()),
            "emd_bootstrap_spread": float(draws.std(ddof=1)),
            **metrics.against("triangular", triangular, metrics.Floor(*(1e3 * x for x in null.separation))),
            "outside": metrics.outside(d.histograms[name]),
            "outside_truth": metrics.outside(d.histograms[TRUTH]),
        }
    return {"null": found.null, **_aucs(key, a, b, found, config), "observables": rows}


def _aucs(key: PRNGKey, truth: Selected, other: Selected, found: _Against, config: Config) -> dict[str, float]:
    """AUCs of as many events of both; folds keep a truth and its unfolded event together."""
    of_truth, of_other = found.events
    areas = two_sample(
        key,
        truth.gen[of_truth],
        other.gen[of_other],
        config,
        normal_scores=True,
        paired=found.null == "paired",
        reference_weight=truth.weight[of_truth],
        generated_weight=other.weight[of_other],
    )
    numbers = {}
    for classifier, area in areas.items():
        numbers |= {f"auc_{classifier}": area.value, f"auc_{classifier}_error": area.error}
    return numbers


def _migration(simulation: Unfolding, distribution: Distribution) -> metrics.Migration:
    """The migration matrix in the bins of the histograms, and one beyond either end."""
    edges = distribution.histograms[TRUTH].edges
    return metrics.migration(simulation, distribution.name, np.concatenate([[-np.inf], edges, [np.inf]]))


def _classical(simulation: Unfolding, k: int, views: Mapping[str, Selected]) -> Classical:
    """Unfold what was measured of the k-th observable, and hold it against the truth."""
    name = views[TRUTH].columns[k].name
    migration = metrics.migration(simulation, name, metrics.pure_edges(simulation, name))
    truth, data = (
        metrics.histogram(views[name].gen[:, k], migration.edges, views[name].weight, fold=True)
        for name in (TRUTH, RECO)
    )
    unfolded = metrics.dagostini(migration, data)
    prior = migration.gen * truth.total / migration.gen.sum()
    return Classical(
        migration,
        unfolded,
        truth,
        metrics.chi2(unfolded.counts - truth.counts, unfolded.covariance),
        metrics.chi2(prior - truth.counts, unfolded.covariance),
        metrics.bottom_line(migration, data, unfolded, prior, truth.counts),
    )


def _classical_row(c: Classical) -> dict[str, Any]:
    return {
        "bins": len(c.unfolded.counts),
        "chi2_truth": c.to_truth.value,
        "chi2_prior": c.prior_to_truth.value,
        "dof": c.to_truth.dof,
        "bottom_line_reco": c.bottom_line.reco.value,
        "bottom_line_unfolded": c.bottom_line.unfolded.value,
    }
