"""The record of an evaluation by the CaloChallenge's metrics: `evaluation` fills it, `report` draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hepjax.metrics.comparison import Distribution
from hepjax.types import Geometry


class CaloComparison(NamedTuple):
    """Generated showers (one or several submissions, and a baseline) against a reference of Geant4.

    dataset: 1-photons, 1-pions, 2 or 3. geometry: its voxels.
    reference: the name of the reference. generated: names of the submissions. baseline: name of other reference
    showers, scored as a submission is, or None. counts: showers by sample.
    scores: by sample other than the reference, the metrics that were asked for. Every number has its error under
    `*_error`: `auc_*`, `jsd_*` for the classifiers low, low_normed, high and cnn; `fpd` and `kpd`, both times 1e3;
    `precision`, `recall`, `density`, `coverage`; `log_posterior` among several submissions. `separation` maps
    observables to rows of `evaluation.calochallenge_separations`: the published separation power, the shares outside
    the bins, and `metrics.against` of `separation_all`, which counts those.
    notes: by metric, a sentence on sizes other than the published ones.
    distributions: histograms of all observables, by sample.
    average: (v,) mean energy of the voxels in MeV, by sample.
    threshold_mev: voxels below were set to zero in all samples; 0 for none.
    """

    dataset: str
    geometry: Geometry
    reference: str
    generated: tuple[str, ...]
    baseline: str | None
    counts: Mapping[str, int]
    scores: Mapping[str, Mapping[str, Any]]
    notes: Mapping[str, str]
    distributions: tuple[Distribution, ...]
    average: Mapping[str, np.ndarray]
    threshold_mev: float = 0.0
