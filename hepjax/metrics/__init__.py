"""Closed-form metrics of arrays: distances, histograms, the statistical floor, shower observables.

The CaloChallenge's features are `metrics.calorimeter.features` and its neighbours.
"""

from hepjax.metrics import calorimeter
from hepjax.metrics.auc import Auc, auc
from hepjax.metrics.bootstrap import Estimate, draws, multiplicities
from hepjax.metrics.calochallenge import CaloComparison
from hepjax.metrics.copies import CopyTest, copy_test
from hepjax.metrics.coverage import Coverage, coverage
from hepjax.metrics.dagostini import Binned, BottomLine, Chi2, bottom_line, chi2, dagostini
from hepjax.metrics.distances import (
    energy_distance,
    energy_distance_nd,
    mean_distance,
    wasserstein,
    wasserstein_bootstraps,
)
from hepjax.metrics.floor import Floor, against, emd_floor, halves, separation_floor, statistic_floor
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
from hepjax.metrics.layers import LayerFeatures, layer_energies, layer_features, layers, split
from hepjax.metrics.manifold import Prdc, log_voxels, prdc
from hepjax.metrics.migration import Migration, migration, pure_edges
from hepjax.metrics.physics_distances import Sizes, fpd, frechet_distance, kpd, mmd, scaled_sizes, size_notes
from hepjax.metrics.response import (
    CalibrationBin,
    Moments,
    ResponseBin,
    calibration_in_bins,
    fraction,
    half_width,
    median,
    mode,
    moments,
    response_in_bins,
)
from hepjax.metrics.showers import (
    Observable,
    cell_correlations,
    cell_spectrum,
    cells_above,
    classifier_view,
    column_over_e,
    correlations,
    fractions,
    largest_over_e,
    layer_view,
    observables,
    profiles,
    row_over_e,
    sum_over_e,
)
from hepjax.metrics.significance import Roc, Sic, roc, sic
from hepjax.metrics.substructure import label, public_edges
from hepjax.metrics.unfolding import Classical, Selected, UnfoldingComparison, effective_size, select

__all__ = [
    "Auc",
    "Binned",
    "BottomLine",
    "CalibrationBin",
    "CaloComparison",
    "Chi2",
    "Classical",
    "CopyTest",
    "Coverage",
    "Estimate",
    "Floor",
    "Histogram",
    "LayerFeatures",
    "Migration",
    "Moments",
    "Observable",
    "Prdc",
    "ResponseBin",
    "Roc",
    "Selected",
    "Sic",
    "Sizes",
    "UnfoldingComparison",
    "against",
    "auc",
    "bottom_line",
    "calibration_in_bins",
    "calorimeter",
    "cell_correlations",
    "cell_spectrum",
    "cells_above",
    "chi2",
    "classifier_view",
    "column_over_e",
    "copy_test",
    "correlations",
    "coverage",
    "dagostini",
    "density",
    "draws",
    "effective_size",
    "emd_floor",
    "energy_distance",
    "energy_distance_nd",
    "fpd",
    "fraction",
    "fractions",
    "frechet_distance",
    "half_width",
    "halves",
    "histogram",
    "kpd",
    "label",
    "largest_over_e",
    "layer_energies",
    "layer_features",
    "layer_view",
    "layers",
    "linear_edges",
    "log_edges",
    "log_voxels",
    "mean_distance",
    "median",
    "migration",
    "mmd",
    "mode",
    "moments",
    "multiplicities",
    "observables",
    "prdc",
    "probabilities",
    "profiles",
    "public_edges",
    "pure_edges",
    "response_in_bins",
    "roc",
    "row_over_e",
    "scaled_sizes",
    "select",
    "separation_floor",
    "separation_power",
    "sic",
    "size_notes",
    "split",
    "statistic_floor",
    "sum_over_e",
    "triangular_discriminator",
    "wasserstein",
    "wasserstein_bootstraps",
]
