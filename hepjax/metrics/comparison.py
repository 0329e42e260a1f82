"""The record of a comparison of shower samples: `evaluation` fills it, `report` draws it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hepjax.metrics.histograms import Histogram
from hepjax.metrics.response import ResponseBin
from hepjax.types import Layer


class Distribution(NamedTuple):
    """Histograms of one observable, by sample; the end bins hold what lies outside.

    log10: whether edges are the decimal logarithm of what the label says. entries: values a shower.
    """

    name: str
    label: str
    histograms: Mapping[str, Histogram]
    log10: bool
    entries: int


class Profile(NamedTuple):
    """Mean energy fraction along one axis of a layer with its standard error, by sample, each (k,)."""

    name: str
    mean: Mapping[str, np.ndarray]
    error: Mapping[str, np.ndarray]


class Examples(NamedTuple):
    """Some showers of a sample: incident energies (k,) and the cells of each layer (k, rows, columns), MeV."""

    energy_mev: np.ndarray
    cells_mev: tuple[np.ndarray, ...]


class Comparison(NamedTuple):
    """A generated sample (and a baseline) against a reference.

    samples: names, the reference first, then the generated one, then the baseline if any; keys of every mapping.
    metrics: what metrics.json holds; plain numbers, strings, lists and dictionaries.
    response: bins of incident energy, by sample other than the reference. correlations: (v, v), by sample.
    averages: mean energy fraction of each cell, (rows, columns) for each layer, by sample. layers: their grids.
    """

    samples: tuple[str, ...]
    metrics: dict[str, Any]
    distributions: tuple[Distribution, ...]
    profiles: tuple[Profile, ...]
    response: Mapping[str, tuple[ResponseBin, ...]]
    correlations: Mapping[str, np.ndarray]
    examples: Mapping[str, Examples]
    averages: Mapping[str, tuple[np.ndarray, ...]]
    layers: tuple[Layer, ...]
