"""The weight that turns one sample into another: a classifier's density ratio, as every reweighting method needs it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax import classifiers, devices, nets, training, transforms
from hepjax.caching import cached
from hepjax.training.history import History
from hepjax.types import AnyArray, Classifier, Constants, Events, Labelled, Params, PRNGKey

MAX_LOG = 10.0  # a larger logit is no information that some 10^5 events can hold
ROWS_AT_ONCE = 1 << 16


class Ratio(NamedTuple):
    """A fitted density ratio: standardisation of the inputs, parameters of the classifiers, training history."""

    constants: Constants
    params: Params
    history: History


@cached
def classifier(dim: int, hidden: tuple[int, ...], members: int = 1) -> Classifier:
    """Perceptrons that separate two samples of `dim` observables: an ensemble whose logits are averaged.

    Each member minimises a cross-entropy of its own; they see the same batches and differ in their initial parameters.
    """
    net = nets.mlp(dim, 1, hidden)
    member = classifiers.binary(net)

    def init(key, batch=None):
        return jax.vmap(member.init, (0, None))(jax.random.split(key, members), batch)

    def logits(params, x, cond=None):
        return jnp.mean(jnp.stack([member.logits(p, x, cond) for p in _members(params)]), axis=0)

    def loss(key, params, batch):
        return jnp.mean(jnp.stack([member.loss(key, p, batch)[0] for p in _members(params)])), {}

    def _members(params):
        # Unrolled: products of stacked matrices are slower on a CPU than one after the other.
        return [jax.tree.map(lambda leaf, n=n: leaf[n], params) for n in range(members)]

    return Classifier(init, loss, logits)


def fit(
    key: PRNGKey,
    hidden: tuple[int, ...],
    denominator: Events,
    numerator: Events,
    recipe: training.Config,
    *,
    members: int = 1,
    start: Ratio | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    name: str = "ratio",
) -> Ratio:
    """Learn p_numerator(x) / p_denominator(x) between two weighted samples, both normalised to the same total.

    x: (n, d). Weights may be negative in part as long as their sum is positive. members: networks in the ensemble.
    start: a ratio to go on from, whose standardisation is kept. The same key holds out the same events, so that the
    ones a start has not seen stay unseen.
    """
    table = _table(denominator, numerator)
    return _train(key, hidden, table, recipe, members, start, folder=folder, resume=resume, name=name)


def fit_mean(
    key: PRNGKey,
    hidden: tuple[int, ...],
    events: Events,
    value: Float[AnyArray, " n"],
    recipe: training.Config,
    *,
    members: int = 1,
    start: Ratio | None = None,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
    name: str = "mean",
) -> Ratio:
    """Learn E[value | x] / E[value] of a value of zero or above, under the events' weights.

    It is the density ratio of the events with weights w value to the same events with weights w. As both samples are
    the same events, each enters once, with the label value / (1 + value) and the weight w (1 + value): the same
    cross-entropy at half the cost. Arguments as in `fit`.
    """
    weight, value = _weights(events), np.asarray(value, np.float64)
    value = value * (weight.sum() / (weight * value).sum())
    weight = 0.5 * weight * (1 + value)
    table = (jnp.asarray(events.x, float), jnp.asarray(value / (1 + value), float), jnp.asarray(weight, float))
    return _train(key, hidden, table, recipe, members, start, folder=folder, resume=resume, name=name)


@cached
def log_ratio(dim: int, hidden: tuple[int, ...], members: int = 1) -> Callable[..., Array]:
    """(constants, params, x (..., dim)) -> (...,) logarithm of the ratio, within +-`MAX_LOG`; compiled."""
    model, scale = classifier(dim, hidden, members), transforms.standardize()

    @jax.jit
    def of_table(constants, params, x, rows):
        del rows
        logit = model.logits(params, scale.forward(constants, x)[0])
        return jnp.clip(logit, -MAX_LOG, MAX_LOG)

    def evaluate(constants: Constants, params: Params, x: Float[AnyArray, "*batch dim"]) -> Float[Array, "*batch"]:
        values = devices.over_events(of_table, (constants, params), (x.reshape(-1, dim),), size=ROWS_AT_ONCE)
        return values.reshape(x.shape[:-1])

    return evaluate


def untrained(dim: int, hidden: tuple[int, ...], members: int = 1) -> Ratio:
    """A ratio of the right shapes."""
    moments = transforms.Moments(jnp.zeros(dim), jnp.ones(dim))
    return Ratio(moments, jax.eval_shape(classifier(dim, hidden, members).init, jax.random.key(0)), {})


def _train(
    key: PRNGKey,
    hidden: tuple[int, ...],
    table: tuple[Array, Array, Array],
    recipe: training.Config,
    members: int,
    start: Ratio | None,
    **where: Any,
) -> Ratio:
    """Train on a table of observables, labels and weights."""
    x, label, weight = table
    scale = transforms.standardize()
    constants = scale.fit(x, weight=jnp.abs(weight)) if start is None else start.constants
    batch = Labelled(scale.forward(constants, x)[0], label, weight=weight)
    model = classifier(x.shape[-1], hidden, members)
    fitted = training.fit(key, model, batch, recipe, params=None if start is None else start.params, **where)
    return Ratio(constants, fitted.params, fitted.history)


def _table(denominator: Events, numerator: Events) -> tuple[Array, Array, Array]:
    """Both samples with labels 0 and 1; their weights have the same sum, and the mean event weighs one."""
    samples = (denominator, numerator)
    events = [len(sample.x) for sample in samples]
    weights = [0.5 * sum(events) / n * _weights(sample) for n, sample in zip(events, samples, strict=True)]
    x = jnp.concatenate([jnp.asarray(sample.x, float) for sample in samples])
    label = jnp.repeat(jnp.arange(2.0), np.array(events))
    return x, label, jnp.asarray(np.concatenate(weights), float)


def _weights(events: Events) -> Float[np.ndarray, " n"]:
    """Weights of mean one, in float64: any scale of them is as good as another."""
    if events.weight is None:
        return np.ones(len(events.x))
    weight = np.asarray(events.weight, np.float64)
    return weight / weight.mean()
