"""Inference with differentiable likelihoods: maximum, intervals, profiles, information.

Functions take the logarithm of a likelihood, `log_prob(theta (k,), *data of one event) -> ()`, and work on batches of
events: one energy per event, or vectors of parameters of interest and nuisances.
"""

from hepjax.inference.maximum import Maximum, best_start, maximize

__all__ = ["Maximum", "best_start", "maximize"]
