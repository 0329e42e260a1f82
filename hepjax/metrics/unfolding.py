"""The record of a comparison of unfolded samples, filled by `evaluation` and drawn by `report`, and its bookkeeping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from hepjax.metrics.comparison import Distribution
from hepjax.metrics.coverage import Coverage
from hepjax.metrics.dagostini import Binned, BottomLine, Chi2
from hepjax.metrics.histograms import Histogram
from hepjax.metrics.migration import Migration
from hepjax.types import AnyArray, Column, InputError, Unfolded


class Classical(NamedTuple):
    """Binned iterative unfolding of one observable, judged by the truth.

    truth: the true histogram. to_truth: chi-square of the unfolded one against it, prior_to_truth: of the simulation's
    with the truth's total, both by the covariance of data and simulation. bottom_line: of simulation against truth.
    """

    migration: Migration
    unfolded: Binned
    truth: Histogram
    to_truth: Chi2
    prior_to_truth: Chi2
    bottom_line: BottomLine


class UnfoldingComparison(NamedTuple):
    """Unfolded samples against the truth.

    samples: names, `truth` first, then `reco` and `prior` where given, then the unfolded ones; keys of every mapping.
    metrics: what metrics.json holds; plain numbers, strings, lists and dictionaries.
    distributions: of each observable, with statistical variances and those of the replicas. migrations: of
    each observable in the same bins, where there is a simulation. classical: likewise, where there is a measured sample
    to unfold, in wider bins. coverages: of the posteriors of
    methods that have some, by name, for the caller to fill in with `_replace`.
    """

    samples: tuple[str, ...]
    metrics: dict[str, Any]
    distributions: tuple[Distribution, ...]
    migrations: tuple[Migration, ...] = ()
    classical: tuple[Classical, ...] = ()
    coverages: Mapping[str, tuple[Coverage, ...]] = MappingProxyType({})


class Selected(NamedTuple):
    """Some observables of an unfolded sample, in float64; without replicas, these are of shape (0, n)."""

    gen: Float[np.ndarray, "n d"]
    weight: Float[np.ndarray, " n"]
    columns: tuple[Column, ...]
    replicas: Float[np.ndarray, "r n"]


def select(sample: Unfolded, names: Sequence[str], where: str) -> Selected:
    """The observables of these names, in this order.

    where: what errors call the sample. Raises InputError for a missing column, an empty sample, shapes that do not
    agree, values or weights that are not finite, or weights without a positive sum.
    """
    present = [column.name for column in sample.columns]
    missing = [name for name in names if name not in present]
    if missing:
        raise InputError(f"{where}: expected the columns {', '.join(names)}, missing {', '.join(missing)}")
    gen, weight = np.asarray(sample.gen, np.float64), np.asarray(sample.weight, np.float64)
    if gen.shape != (len(weight), len(present)) or not len(gen):
        raise InputError(f"{where}: expected {len(present)} columns and a weight an event, got shape {gen.shape}")
    index = [present.index(name) for name in names]
    replicas = np.empty((0, len(gen))) if sample.replicas is None else np.asarray(sample.replicas, np.float64)
    if not np.isfinite(gen[:, index]).all():
        raise InputError(f"{where}: expected finite observables")
    for weights in (weight, *replicas):
        if not np.isfinite(weights).all() or not weights.sum() > 0:
            raise InputError(f"{where}: expected finite weights with a positive sum")
    return Selected(gen[:, index], weight, tuple(sample.columns[i] for i in index), replicas)


def effective_size(weight: Float[AnyArray, " n"]) -> float:
    """Kish's effective number of events, (sum w)^2 / sum w^2.

    >>> effective_size(np.array([1.0, 1.0, 2.0]))
    2.6666666666666665
    """
    weight = np.asarray(weight, np.float64)
    weight = weight / np.abs(weight).max()  # the squares of tiny ones vanish
    return float(np.square(weight.sum()) / np.square(weight).sum())
