"""Closed-form metrics of arrays: distances, histograms, the statistical floor, shower observables."""

from hepjax.metrics.auc import Auc, auc
from hepjax.metrics.copies import CopyTest, copy_test
from hepjax.metrics.distances import energy_distance, energy_distance_nd, mean_distance, wasserstein
from hepjax.metrics.floor import Floor, emd_floor, halves, separation_floor, statistic_floor
from hepjax.metrics.histograms import (
    Histogram,
    density,
    histogram,
    linear_edges,
    log_edges,
    probabilities,
    separation_power,
    triangular_discriminator,
)
from hepjax.metrics.response import Moments, ResponseBin, moments, response_in_bins
from hepjax.metrics.showers import (
    Observable,
    cell_correlations,
    cell_spectrum,
    cells_above,
    classifier_view,
    column_over_e,
    correlations,
    fractions,
    grid_shape,
    largest_over_e,
    observables,
    row_over_e,
    sum_over_e,
)

__all__ = [
    "Auc",
    "CopyTest",
    "Floor",
    "Histogram",
    "Moments",
    "Observable",
    "ResponseBin",
    "auc",
    "cell_correlations",
    "cell_spectrum",
    "cells_above",
    "classifier_view",
    "column_over_e",
    "copy_test",
    "correlations",
    "density",
    "emd_floor",
    "energy_distance",
    "energy_distance_nd",
    "fractions",
    "grid_shape",
    "halves",
    "histogram",
    "largest_over_e",
    "linear_edges",
    "log_edges",
    "mean_distance",
    "moments",
    "observables",
    "probabilities",
    "response_in_bins",
    "row_over_e",
    "separation_floor",
    "separation_power",
    "statistic_floor",
    "sum_over_e",
    "triangular_discriminator",
    "wasserstein",
]
