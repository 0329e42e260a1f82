"""The vocabulary of the project: models as NamedTuples of pure functions, and the records they work on.

Every model is made by a factory, its parameters are an explicit pytree, and nothing is hidden in an object. Models
are closed over by jitted functions, never passed to them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from hepjax.tags import tagged

AnyArray = jax.Array | np.ndarray
Params = Any
Constants = Any
Metrics = Mapping[str, Array]
Loss = tuple[Array, Metrics]
PRNGKey = Key[Array, ""]


class InputError(ValueError):
    """Bad input of a user: one line that names the file, the key and what was expected."""


class Net(NamedTuple):
    """A neural network.

    init: (key, batch or None) -> params, whatever the batch.
    apply: (params, x (..., d), cond (..., c) or None, time (...,) or None, mask or None) -> (..., out).
    """

    init: Callable[..., Params]
    apply: Callable[..., Array]


class Bridge(NamedTuple):
    """A map between the distributions of two samples.

    init: (key, batch of `Coupled` or None) -> params.
    loss: (key, params, batch of `Coupled`) -> (value, metrics).
    transport: (key, params, x (..., d), cond (..., c) or None) -> (..., d), from the source's to the target's law.
    """

    init: Callable[..., Params]
    loss: Callable[[PRNGKey, Params, Any], Loss]
    transport: Callable[..., Array]


class Classifier(NamedTuple):
    """A classifier of two or more samples.

    init: (key, batch of `Labelled` or None) -> params.
    loss: (key, params, batch of `Labelled`) -> (cross-entropy in nats, metrics).
    logits: (params, x (..., d), cond (..., c) or None) -> (...,) log-odds of label 1, or (..., classes).
    """

    init: Callable[..., Params]
    loss: Callable[[PRNGKey, Params, Any], Loss]
    logits: Callable[..., Array]


class Transform(NamedTuple):
    """Invertible preprocessing with its log-determinant.

    fit: (data (n, d), cond (n, c) or None, weight (n,) or None) -> constants.
    forward: (constants, x (..., d), cond (..., c) or None) -> (y (..., d), log|dy/dx| (...,)).
    inverse: (constants, y (..., d), cond (..., c) or None) -> (x (..., d), log|dx/dy| (...,)).
    """

    fit: Callable[..., Constants]
    forward: Callable[..., tuple[Array, Array]]
    inverse: Callable[..., tuple[Array, Array]]


class Bijection(NamedTuple):
    """An invertible map with parameters to train, from data to latent.

    init: (key, batch of `Events` or None) -> params; the batch serves data-dependent starts (ActNorm).
    forward: (params, x (..., d), cond (..., c) or None) -> (z (..., d), log|dz/dx| (...,)).
    inverse: (params, z (..., d), cond (..., c) or None) -> (x (..., d), log|dx/dz| (...,)).
    """

    init: Callable[..., Params]
    forward: Callable[..., tuple[Array, Array]]
    inverse: Callable[..., tuple[Array, Array]]


class Flow(NamedTuple):
    """A density that can be sampled.

    init: (key, batch of `Events` or None) -> params.
    log_prob: (params, x (..., d), cond (..., c) or None) -> (...,), in nats.
    sample: (key, params, cond (..., c) or None, shape) -> (*shape, ..., d).
    loss: (key, params, batch of `Events`) -> (value, metrics).
    """

    init: Callable[..., Params]
    log_prob: Callable[..., Array]
    sample: Callable[..., Array]
    loss: Callable[[PRNGKey, Params, Any], Loss]


class State(NamedTuple):
    """A trained thing: its hashable specification, fitted preprocessing, and parameters."""

    spec: Any
    constants: Constants
    params: Params


class Coupled(NamedTuple):
    """Rows of a source and a target sample: paired events, or draws of two samples at nearly the same condition."""

    source: Float[Array, "*batch d"]
    target: Float[Array, "*batch d"]
    cond: Float[Array, "*batch c"] | None = None
    weight: Float[Array, "*batch"] | None = None


class Events(NamedTuple):
    """Events of one sample, with what they are conditioned on."""

    x: Float[Array, "*batch d"]
    cond: Float[Array, "*batch c"] | None = None
    weight: Float[Array, "*batch"] | None = None


class Labelled(NamedTuple):
    """Events with a class label (0 or 1, or an index)."""

    x: Float[Array, "*batch d"]
    label: Array
    cond: Float[Array, "*batch c"] | None = None
    weight: Float[Array, "*batch"] | None = None


@tagged("layer", "hepjax.types:Layer")
@dataclasses.dataclass(frozen=True)
class Layer:
    """A layer of a calorimeter: its grid of (rows, columns), last axis fastest, their pitch, and its depth."""

    shape: tuple[int, int]
    pitch_mm: tuple[float, float]
    depth_mm: float

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1]


@tagged("polar_layer", "hepjax.types:PolarLayer")
@dataclasses.dataclass(frozen=True)
class PolarLayer:
    """A layer of a calorimeter around the shower's axis: rings in r, cut into equal bins of alpha from -pi to pi.

    r_edges_mm: rising. number: what the experiment calls the layer. Voxels run over r fastest, then alpha.
    """

    r_edges_mm: tuple[float, ...]
    alpha_bins: int
    number: int

    @property
    def shape(self) -> tuple[int, int]:
        """Bins in (alpha, r)."""
        return self.alpha_bins, len(self.r_edges_mm) - 1

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return self.shape[0] * self.shape[1]


@tagged("geometry", "hepjax.types:Geometry")
@dataclasses.dataclass(frozen=True)
class Geometry:
    """A calorimeter's voxels: a name, the grid they unroll from (last axis fastest), and the read-out threshold.

    layers: front to back, where the calorimeter is read out in layers of their own grids; the voxels of one layer
    follow those of the one before, and `shape` is the flat (voxels,) or, of equal layers, (layers, alpha, r).
    polar: the same for layers in polar coordinates.
    """

    name: str
    shape: tuple[int, ...]
    threshold_mev: float = 0.0
    pitch_mm: tuple[float, ...] = ()
    layers: tuple[Layer, ...] = ()
    polar: tuple[PolarLayer, ...] = ()

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        size = 1
        for n in self.shape:
            size *= n
        return size


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Showers:
    """Calorimeter showers, of JAX or numpy arrays.

    incident_energy: (...,) MeV. voxels: (..., geometry.voxels) MeV. geometry: static.
    """

    incident_energy: Float[AnyArray, "*batch"]
    voxels: Float[AnyArray, "*batch v"]
    geometry: Geometry = dataclasses.field(metadata={"static": True})

    def __len__(self) -> int:
        return self.voxels.shape[0]

    def __getitem__(self, rows) -> Showers:
        return Showers(self.incident_energy[rows], self.voxels[rows], self.geometry)


@tagged("column", "hepjax.types:Column")
@dataclasses.dataclass(frozen=True)
class Column:
    """An observable of a table of events: its name, and its unit ("" of a pure number)."""

    name: str
    unit: str = ""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Unfolding:
    """Simulated events at particle level (gen) and at detector level (reco), paired by row; JAX or numpy arrays.

    gen: (n, d). reco: (n, e). weight: (n,) of the generator. pass_gen, pass_reco: (n,) bool, whether the event is in
    the particle-level phase space, and whether it is measured; the values of an event that fails are not looked at.
    gen_columns, reco_columns: static, d and e of them.
    """

    gen: Float[AnyArray, "n d"]
    reco: Float[AnyArray, "n e"]
    weight: Float[AnyArray, " n"]
    pass_gen: Bool[AnyArray, " n"]
    pass_reco: Bool[AnyArray, " n"]
    gen_columns: tuple[Column, ...] = dataclasses.field(metadata={"static": True})
    reco_columns: tuple[Column, ...] = dataclasses.field(metadata={"static": True})

    def __len__(self) -> int:
        return self.gen.shape[0]

    def __getitem__(self, rows) -> Unfolding:
        return Unfolding(
            self.gen[rows],
            self.reco[rows],
            self.weight[rows],
            self.pass_gen[rows],
            self.pass_reco[rows],
            self.gen_columns,
            self.reco_columns,
        )


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Measured:
    """Events at detector level: the data, or a background to them.

    reco: (n, e). weight: (n,); a background's add up to the expected number of events. columns: static, e of them.
    """

    reco: Float[AnyArray, "n e"]
    weight: Float[AnyArray, " n"]
    columns: tuple[Column, ...] = dataclasses.field(metadata={"static": True})

    def __len__(self) -> int:
        return self.reco.shape[0]

    def __getitem__(self, rows) -> Measured:
        return Measured(self.reco[rows], self.weight[rows], self.columns)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Unfolded:
    """Weighted events at particle level that stand for the data.

    gen: (n, d). weight: (n,). replicas: (r, n) weights of bootstrap or ensemble replicas, or None. columns: static.
    """

    gen: Float[AnyArray, "n d"]
    weight: Float[AnyArray, " n"]
    columns: tuple[Column, ...] = dataclasses.field(metadata={"static": True})
    replicas: Float[AnyArray, "r n"] | None = None

    def __len__(self) -> int:
        return self.gen.shape[0]

    def __getitem__(self, rows) -> Unfolded:
        replicas = None if self.replicas is None else self.replicas[:, rows]
        return Unfolded(self.gen[rows], self.weight[rows], self.columns, replicas)
