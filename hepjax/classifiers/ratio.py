"""Density ratios from classifiers."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

from hepjax.types import Classifier


def ratio(classifier: Classifier, *, max_log: float = 30.0) -> Callable[..., Array]:
    """Density ratio p(x | label 1) / p(x | label 0) = exp(logit) of a binary classifier (arXiv:1506.02169, eq. 2.3).

    Returns (params, x (..., d), cond (..., c) or None) -> (...,). It is the ratio of the densities if both classes had
    the same total weight in training, else their ratio times that of the class weights.

    The logit is clipped to [-max_log, max_log], so that no weight overflows; a ratio of exp(+-max_log) therefore means
    "saturated", to be counted by the caller, and its gradient vanishes.
    """

    def density_ratio(params, x, cond=None):
        return jnp.exp(jnp.clip(classifier.logits(params, x, cond), -max_log, max_log))

    return density_ratio
