"""Inference with differentiable likelihoods: maximum, intervals, profiles, information.

Functions take the logarithm of a likelihood, `log_prob(theta (k,), *data of one event) -> ()`, and work on batches of
events: one energy per event, or vectors of parameters of interest and nuisances.
"""

from hepjax.inference.information import covariance, curvature, information
from hepjax.inference.intervals import Intervals, intervals
from hepjax.inference.maximum import Maximum, best_start, maximize
from hepjax.inference.profiles import profile

__all__ = [
    "Intervals",
    "Maximum",
    "best_start",
    "covariance",
    "curvature",
    "information",
    "intervals",
    "maximize",
    "profile",
]
