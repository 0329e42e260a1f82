"""Binary and multi-class classifiers."""

from __future__ import annotations

import jax.numpy as jnp
import optax

from hepjax.caching import cached
from hepjax.losses import weighted_mean
from hepjax.types import Classifier, Net


@cached
def binary(net: Net) -> Classifier:
    """Logistic classifier whose optimum is the log density ratio (arXiv:1506.02169, eq. 2.3).

    net: (x (..., d), cond) -> (..., 1). logits: (...,), the log-odds of label 1. loss: weighted cross-entropy in nats;
    labels are 0 or 1 (or a probability in between).
    """

    def logits(params, x, cond=None):
        return net.apply(params, x, cond=cond)[..., 0]

    def loss(key, params, batch):
        del key
        z = logits(params, batch.x, batch.cond)
        nll = optax.sigmoid_binary_cross_entropy(z, jnp.asarray(batch.label, z.dtype))
        return weighted_mean(nll, batch.weight), {}

    return Classifier(net.init, loss, logits)


@cached
def multiclass(net: Net) -> Classifier:
    """Softmax classifier; the difference of two logits tends to the log density ratio of the two classes.

    net: (x (..., d), cond) -> (..., classes) = logits. loss: weighted cross-entropy in nats; labels are class indices.
    """

    def logits(params, x, cond=None):
        return net.apply(params, x, cond=cond)

    def loss(key, params, batch):
        del key
        z = logits(params, batch.x, batch.cond)
        nll = optax.softmax_cross_entropy_with_integer_labels(z, jnp.asarray(batch.label, int))
        return weighted_mean(nll, batch.weight), {}

    return Classifier(net.init, loss, logits)
