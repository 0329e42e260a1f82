"""The weight that turns one sample into another: a classifier's density ratio, as every reweighting method needs it."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax import classifiers, nets, training, transforms
from hepjax.training.history import History
from hepjax.types import Classifier, Constants, Events, Labelled, Params, PRNGKey

MAX_LOG = 10.0  # a larger logit is no information that some 10^5 events can hold


class Ratio(NamedTuple):
    """A fitted density ratio: standardisation of the inputs, parameters of the classifier, training history."""

    constants: Constants
    params: Params
    history: History


@functools.cache
def classifier(dim: int, hidden: tuple[int, ...]) -> Classifier:
    """The perceptron that separates two samples of `dim` observables."""
    return classifiers.binary(nets.mlp(dim, 1, hidden))


def fit(
    key: PRNGKey,
    hidden: tuple[int, ...],
    denominator: Events,
    numerator: Events,
    recipe: training.Config,
    *,
    start: Ratio | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    name: str = "ratio",
) -> Ratio:
    """Learn p_numerator(x) / p_denominator(x) between two weighted samples, both normalised to the same total.

    x: (n, d). Weights may be negative in part as long as their sum is positive. start: a ratio to go on from, whose
    standardisation is kept.
    """
    table = _table(denominator, numerator)
    scale = transforms.standardize()
    constants = scale.fit(table.x, weight=jnp.abs(table.weight)) if start is None else start.constants
    table = table._replace(x=scale.forward(constants, table.x)[0])
    fitted = training.fit(
        key,
        classifier(table.x.shape[-1], hidden),
        table,
        recipe,
        params=None if start is None else start.params,
        folder=folder,
        resume=resume,
        name=name,
    )
    return Ratio(constants, fitted.params, fitted.history)


@functools.cache
def log_ratio(dim: int, hidden: tuple[int, ...]) -> Callable[..., Array]:
    """Jitted (constants, params, x (..., dim)) -> (...,) logarithm of the ratio, within +-`MAX_LOG`."""
    model, scale = classifier(dim, hidden), transforms.standardize()

    @jax.jit
    def evaluate(constants: Constants, params: Params, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        logit = model.logits(params, scale.forward(constants, x)[0])
        return jnp.clip(logit, -MAX_LOG, MAX_LOG)

    return evaluate


def _table(denominator: Events, numerator: Events) -> Labelled:
    """Both samples with labels 0 and 1; their weights have the same sum, and the mean event weighs one."""
    samples = (denominator, numerator)
    events = [len(sample.x) for sample in samples]
    weights = [jnp.ones(len(s.x)) if s.weight is None else jnp.asarray(s.weight, float) for s in samples]
    return Labelled(
        x=jnp.concatenate([jnp.asarray(sample.x, float) for sample in samples]),
        label=jnp.repeat(jnp.arange(2.0), np.array(events)),
        weight=jnp.concatenate([0.5 * sum(events) * w / w.sum() for w in weights]),
    )
