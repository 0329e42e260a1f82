"""Every model of the project, once, in a tiny size: one line adds a model to all the contracts of this folder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import bridges, classifiers, flows, nets, transforms
from hepjax.types import Bijection, Classifier, Coupled, Events, Flow, Labelled, Net

DIM, COND, IMAGE = 4, 2, (3, 4)


class Case(NamedTuple):
    """A model under contract.

    build: () -> the model; called again it must return the same object. batch: (key, shape) -> what its loss takes.
    dim, cond, time: sizes of the inputs of its `apply`, `transport`, `logits` or `forward`. domain: maps normal
    draws to where a transform is defined.
    """

    name: str
    build: Callable[[], Any]
    batch: Callable[..., Any] | None = None
    dim: int = DIM
    cond: int = COND
    time: bool = False
    domain: Callable[[jax.Array], jax.Array] = lambda x: x

    def x(self, key, shape=()):
        return self.domain(jax.random.normal(key, (*shape, self.dim)))

    def conditions(self, key, shape=()):
        return jax.random.normal(key, (*shape, self.cond)) if self.cond else None


def coupled(key, shape) -> Coupled:
    a, b, c, w = jax.random.split(key, 4)
    source, target = jax.random.normal(a, (*shape, DIM)), 1 + jax.random.normal(b, (*shape, DIM))
    return Coupled(source, target, jax.random.normal(c, (*shape, COND)), jax.random.uniform(w, shape, minval=0.5))


def transitions(key, shape) -> bridges.Transitions:
    pairs = coupled(key, shape)
    time = jax.random.uniform(key, shape)
    return bridges.Transitions(pairs.source, 0.1 * pairs.target, time, pairs.cond, pairs.weight)


def labelled(classes: int):
    def batch(key, shape) -> Labelled:
        pairs = coupled(key, shape)
        return Labelled(pairs.source, jax.random.randint(key, shape, 0, classes), pairs.cond, pairs.weight)

    return batch


def events(key, shape) -> Events:
    pairs = coupled(key, shape)
    return Events(pairs.source, pairs.cond, pairs.weight)


def drift(dim_cond: int = COND):
    return nets.mlp(DIM, DIM, (16,), dim_cond=dim_cond, time=True)


NETS = [
    Case("mlp", lambda: nets.mlp(DIM, 3, (8, 8), dim_cond=COND)),
    Case("mlp-time", lambda: nets.mlp(DIM, 3, (8, 8), dim_cond=COND, time=True, zero_output=True), time=True),
    Case("mlp-leaky", lambda: nets.mlp(DIM, 3, (8, 8), activation="leaky_relu"), cond=0),
    Case("resnet", lambda: nets.resnet(DIM, 3, 8, 2, dim_cond=COND, time=True, norm=True), time=True),
    Case("resnet-plain", lambda: nets.resnet(DIM, 3, 8, 2), cond=0),
    Case("sbunfold", lambda: nets.sbunfold(DIM, 8, 1, dim_cond=COND), time=True),
    Case("conv", lambda: nets.conv(IMAGE, 4, 2, dim_cond=COND, dim_time=8), dim=12, time=True),
    Case("conv-images", lambda: nets.conv(IMAGE, 4, 2, dim_cond=1, images=1, dim_time=8), dim=12, cond=13, time=True),
    Case("resnet3d", lambda: nets.resnet3d((3, 4, 2), 2, (3, 4)), dim=25, cond=0),
]

BRIDGES = [
    Case("i2sb", lambda: bridges.i2sb(drift(), steps=5), coupled),
    Case("i2sb-ode", lambda: bridges.i2sb(drift(), steps=5, ode=True), coupled),
    Case("i2sb-given-source", lambda: bridges.i2sb(drift(COND + DIM), steps=5, condition_on_source=True), coupled),
    Case("matching", lambda: bridges.matching(drift(), steps=3), coupled),
    Case("matching-ot", lambda: bridges.matching(drift(), coupling="ot", steps=3), coupled),
    Case("matching-brownian", lambda: bridges.matching(drift(), coupling="ot", sigma=0.3, steps=3), coupled),
    Case("dsb-forward", lambda: bridges.dsb(drift(), drift()).forward, transitions),
    Case("dsb-backward", lambda: bridges.dsb(drift(), drift()).backward, transitions),
]

CLASSIFIERS = [
    Case("binary", lambda: classifiers.binary(nets.mlp(DIM, 1, (8,), dim_cond=COND)), labelled(2)),
    Case("multiclass", lambda: classifiers.multiclass(nets.mlp(DIM, 3, (8,), dim_cond=COND)), labelled(3)),
]


TINY = {"depth": 1, "hidden": (8,), "dim_cond": COND}
SCALARS = {"affine": flows.affine(), "spline": flows.spline(4), "mixture": flows.mixture(3)}


def coupling(scalar: str, dim: int = DIM, **options) -> Bijection:
    return flows.coupling(dim, SCALARS[scalar], **TINY, **options)


def autoregressive(scalar: str, dim: int = DIM, **options) -> Bijection:
    return flows.autoregressive(dim, SCALARS[scalar], **TINY, **options)


BIJECTIONS = [
    Case("actnorm", lambda: flows.actnorm(DIM), cond=0),
    Case("permute", lambda: flows.permute((2, 0, 1, 3)), cond=0),
    Case("linear", lambda: flows.linear((2, 0, 1, 3)), cond=0),
    *(Case(f"coupling-{name}", functools.partial(coupling, name)) for name in SCALARS),
    Case("coupling-learned", lambda: coupling("affine", 3, permutation="learned", normalize=False), dim=3),
    *(Case(f"autoregressive-{name}", functools.partial(autoregressive, name)) for name in SCALARS),
    Case("autoregressive-one", lambda: autoregressive("spline", 1), dim=1),
    Case("autoregressive-plain", lambda: flows.autoregressive(3, flows.spline(4), depth=1, hidden=(8,)), dim=3, cond=0),
    Case("inverse-autoregressive", lambda: autoregressive("mixture", inverse=True)),
]

FLOWS = [
    Case("conditional-normal", lambda: flows.conditional_normal(DIM, COND, (8,)), events),
    Case("mixture-of-normals", lambda: flows.mixture_of_normals(DIM, 3, dim_cond=COND, hidden=(8,)), events),
    Case("coupling", lambda: flows.transformed(coupling("spline"), flows.normal(DIM)), events),
    Case("autoregressive", lambda: flows.transformed(autoregressive("mixture"), flows.logistic(DIM)), events),
    Case(
        "inverse-autoregressive",
        lambda: flows.transformed(autoregressive("affine", inverse=True), flows.conditional_normal(DIM, COND, (8,))),
        events,
    ),
    Case("matching", lambda: flows.matching(drift(), DIM, steps=3), events),
]


def spread_zeros(x: jax.Array) -> jax.Array:
    """Positive values and dequantised zeros, from normal draws."""
    return jnp.where(x > 0, x, -jnp.exp(x))


TRANSFORMS = [
    Case("standardize", lambda: transforms.standardize(), cond=0),
    Case("gaussianize", lambda: transforms.gaussianize(2, 5), cond=1),
    Case("gaussianize-point-mass", lambda: transforms.gaussianize(2, 5, point_mass=True), cond=1, domain=spread_zeros),
    Case("trend", lambda: transforms.trend(), cond=1),
    Case("decorrelate", lambda: transforms.decorrelate(1.0)),
]

MODELS = NETS + BRIDGES + CLASSIFIERS + FLOWS


def verb(case: Case, model) -> Callable[..., jax.Array]:
    """What a model does: (key, params, x, cond, rows) -> y, by `apply`, `transport`, `logits` or `log_prob`."""
    if isinstance(model, Net):
        time = jnp.asarray(0.3) if case.time else None
        return lambda key, params, x, cond, rows=None: model.apply(params, x, cond=cond, time=time)
    if isinstance(model, Classifier):
        return lambda key, params, x, cond, rows=None: model.logits(params, x, cond)
    if isinstance(model, Flow):
        return lambda key, params, x, cond, rows=None: model.log_prob(params, x, cond)
    return model.transport


def started(model, seed: int = 7):
    """Parameters away from their start, where outputs initialised at zero would hide mistakes; nothing to compile."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    return jax.tree.map(lambda a: jnp.asarray(rng.normal(0, 0.3, a.shape), a.dtype), shapes)


def finite(tree) -> bool:
    return all(bool(jnp.isfinite(a).all()) for a in jax.tree.leaves(tree))
