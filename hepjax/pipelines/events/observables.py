"""From observables of an event to the coordinates in which posteriors are learned, and back.

Observables are of three kinds: continuous ones, ones with a point mass (a groomed momentum fraction, 0 where grooming
fails), and discrete ones (a multiplicity, a code, a constant), which have few values that all repeat. Point masses and
discrete values are spread into a continuum by noise of each event, and every column is made a standard normal one by
its tabulated quantiles. What comes back are the very values again, and never any beyond those of the simulation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import dtypes
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float, Int
from scipy.special import ndtr as numpy_ndtr
from scipy.special import ndtri as numpy_ndtri

from hepjax import dynamics, transforms
from hepjax.caching import cached
from hepjax.columns import point_masses
from hepjax.tags import tagged
from hepjax.types import AnyArray, Constants, PRNGKey

REPEATS = 4  # events to each value, on average, from which values are discrete
SAME_EVENTS = 0.99
KNOTS = 513
NOWHERE = 1e3  # a score that no event has
TINY = 1e-6
STEP = 3e-7  # some roundings of float32


@tagged("observables/kinds", "hepjax.pipelines.observables:Kinds")
@dataclasses.dataclass(frozen=True)
class Kinds:
    """What the columns of a table hold.

    integer: whether all values are whole numbers. mass: the value that a point mass sits at, or None.
    leader: the column whose point mass is in the same events as this one's, as in all observables of a failed
    grooming; the column itself where it has none, or is the first of them. values: all of a discrete column, rising, or
    None; empty for kinds found before there were discrete ones.
    """

    integer: tuple[bool, ...]
    mass: tuple[float | None, ...]
    leader: tuple[int, ...]
    values: tuple[tuple[float, ...] | None, ...] = ()


class Coordinates(NamedTuple):
    """Coordinates of observables.

    fit: (key, x (n, d), weight (n,)) -> constants.
    encode: (key, constants, x (n, d), rows (n,) or None) -> z (n, d); noise is that of the rows, by default 0 to n - 1.
    decode: (constants, z (..., d)) -> x (..., d).
    """

    fit: Callable[..., Constants]
    encode: Callable[..., Array]
    decode: Callable[..., Array]


class Fitted(NamedTuple):
    """Tables of normal scores.

    scores: (k,). values: (d, k), quantiles of every column at these scores; those of a point mass hold the value beside
    it. Of a discrete column, the scores where its values end, and `NOWHERE` after them. low, high: (d,), ends of the
    point mass on the scale of scores, beyond all scores where there is none.
    """

    scores: Float[Array, " k"]
    values: Float[Array, "d k"]
    low: Float[Array, " d"]
    high: Float[Array, " d"]


def kinds(x: Float[np.ndarray, "n d"]) -> Kinds:
    """Find integers, discrete values and point masses in the columns of a sample."""
    x = np.asarray(x, dtypes.canonicalize_dtype(float))
    integer = tuple(bool((column == np.round(column)).all()) for column in x.T)
    values = tuple(_discrete(column, whole) for column, whole in zip(x.T, integer, strict=True))
    smooth = [found is None and not whole for found, whole in zip(values, integer, strict=True)]
    masses = [point_masses(column) if of else () for column, of in zip(x.T, smooth, strict=True)]
    mass = tuple(next(iter(found), None) for found in masses)
    events = {j: x[:, j] == value for j, value in enumerate(mass) if value is not None}
    leader = list(range(x.shape[1]))
    for j in events:
        leader[j] = next((i for i in events if i < j and leader[i] == i and _same(events[i], events[j])), j)
    return Kinds(integer, mass, tuple(leader), values)


def coordinates(name: str, k: Kinds) -> Coordinates:
    """The coordinates called `scores` or `zscore`."""
    return scores(k) if name == "scores" else zscore(k)


@cached
def scores(k: Kinds) -> Coordinates:
    """Normal scores z = Phi^-1(F(x)), at random within an integer and within a point mass.

    In the events of a point mass, columns that follow a leader carry no information, and get a standard normal
    number; back from the coordinates the leader alone tells whether an event is of that kind.
    """
    dim = len(k.integer)
    integer, leader = np.array(k.integer), np.array(k.leader, np.int32)
    leads = leader == np.arange(dim)
    mass = np.array([np.nan if value is None else value for value in k.mass])
    discrete = {j: np.array(values) for j, values in enumerate(k.values) if values is not None}

    @jax.jit
    def smoothed(key, x):
        return _spread(integer, x, ndtr(_noise(key, x)))

    def fit(key, x, weight):
        smooth = np.asarray(smoothed(key, x), np.float64)
        x, weight = np.asarray(x, dtypes.canonicalize_dtype(float)), np.asarray(weight, np.float64) / np.sum(weight)
        reach = float(-numpy_ndtri(0.5 / max(len(x), 2)))
        grid = np.linspace(-reach, reach, KNOTS)
        values, ends = np.empty((dim, KNOTS)), np.full((2, dim), NOWHERE)
        for j in range(dim):
            if j in discrete:
                values[j] = _bounds(x[:, j], weight, discrete[j])
                continue
            at = x[:, j] == mass[j]
            below, share = (weight[x[:, j] < mass[j]].sum(), weight[at].sum()) if leads[j] else (0.0, 0.0)
            if share:
                ends[:, j] = _score(below), _score(below + share)
            level = numpy_ndtr(grid)
            level = np.where(level < below, level, np.maximum(level - share, below)) / max(1 - share, TINY)
            values[j] = transforms.quantiles(smooth[~at, j], weight[~at], level)
        return Fitted(*transforms.floats(grid, values, *ends))

    @jax.jit
    def encode(key, constants, x, rows=None):
        noise = _noise(key, x, rows)
        share = ndtr(noise)
        ranked = jax.vmap(transforms.ranks, (1, 0, None), 1)
        # Equal values, that are no point mass, are at random within the scores of all of them.
        z = _within(*ranked(_spread(integer, x, share), constants.values, constants.scores), share)
        beside = jnp.where(leads & (x > mass), jnp.maximum(z, constants.high), jnp.minimum(z, constants.low))
        massive = _within(constants.low, constants.high, share)
        z = jnp.where(x == mass, jnp.where(leads, massive, noise), beside)
        for j, values in discrete.items():
            z = z.at[:, j].set(_encode_discrete(values, constants.values[j], x[:, j], share[:, j]))
        return z

    @jax.jit
    def decode(constants, z):
        smooth = jax.vmap(jnp.interp, (-1, None, 0), -1)(z, constants.scores, constants.values)
        massive = ((constants.low < z) & (z < constants.high))[..., leader] & ~np.isnan(mass)
        x = jnp.where(massive, np.nan_to_num(mass), jnp.where(integer, jnp.round(smooth), smooth))
        for j, values in discrete.items():
            place = jnp.searchsorted(constants.values[j, : len(values) - 1], z[..., j], side="right")
            x = x.at[..., j].set(jnp.asarray(values, x.dtype)[place])
        return x

    return Coordinates(fit, encode, decode)


@cached
def zscore(k: Kinds) -> Coordinates:
    """z-scores, the published preprocessing of SBUnfold (arXiv:2308.12351); integers are rounded on the way back.

    A constant, of which nothing is to be learned, is standard normal noise, and a constant again on the way back.
    """
    integer, scale = np.array(k.integer), transforms.standardize()
    only = [values[0] if values is not None and len(values) == 1 else np.nan for values in k.values]
    constant = np.array(only or [np.nan] * len(k.integer))

    def fit(key, x, weight):
        return scale.fit(x, weight=weight)

    def encode(key, constants, x, rows=None):
        z = scale.forward(constants, x)[0]
        return z if np.isnan(constant).all() else jnp.where(np.isnan(constant), z, _noise(key, x, rows))

    def decode(constants, z):
        x, _ = scale.inverse(constants, z)
        x = jnp.where(integer, jnp.round(x), x)
        return jnp.where(np.isnan(constant), x, np.nan_to_num(constant))

    return Coordinates(fit, encode, decode)


def untrained(name: str, k: Kinds) -> Constants:
    """Constants of the right shapes."""
    dim = len(k.integer)
    if name == "zscore":
        return transforms.Moments(jnp.zeros(dim), jnp.ones(dim))
    return Fitted(jnp.zeros(KNOTS), jnp.zeros((dim, KNOTS)), jnp.zeros(dim), jnp.zeros(dim))


def _noise(key: PRNGKey, x: Float[AnyArray, "n d"], rows: Int[Array, " n"] | None = None) -> Float[Array, "n d"]:
    """Standard normal numbers of every event."""
    return dynamics.event_noise(dynamics.event_keys(key, x.shape[:1], rows), 0, x.shape[1])


def _spread(integer: np.ndarray, x, share):
    """Integers at random within half a unit."""
    return x + jnp.where(integer, share - 0.5, 0.0)


def _within(low: Array, high: Array, share: Array) -> Array:
    """Normal scores between two others, at a share of the probability between them."""
    level = ndtr(low) + (ndtr(high) - ndtr(low)) * share
    return jnp.where(low < high, jnp.clip(ndtri(jnp.clip(level, TINY, 1 - TINY)), low, high), low)


def _encode_discrete(values: np.ndarray, ends: Array, x: Array, share: Array) -> Array:
    """Scores at random within those of the nearest of the values."""
    middle = jnp.asarray(0.5 * (values[1:] + values[:-1]), x.dtype)
    place = jnp.searchsorted(middle, x)
    # Two values may be so close that float32 has none between.
    rank = jnp.searchsorted(jnp.asarray(values, x.dtype), x)
    known = jnp.asarray(values, x.dtype)[jnp.minimum(rank, len(values) - 1)] == x
    place = jnp.where(known, rank, place)
    low, high = jnp.where(place > 0, ends[place - 1], -NOWHERE), ends[place]
    below_high = high - STEP * jnp.maximum(jnp.abs(high), 1)
    return jnp.maximum(jnp.minimum(_within(low, high, share), below_high), low)


def _bounds(column: np.ndarray, weight: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The scores where each of the discrete values ends, and nowhere after the last but one: (`KNOTS`,)."""
    share = np.bincount(np.searchsorted(values, column), weight, len(values))
    ends = np.full(KNOTS, NOWHERE)
    ends[: len(values) - 1] = [_score(level) for level in np.cumsum(share)[:-1]]
    return ends


def _discrete(column: np.ndarray, whole: bool) -> tuple[float, ...] | None:
    """All values, if they are few and repeat: without the most frequent one too, where they are not whole numbers."""
    values, counts = np.unique(column, return_counts=True)
    events = len(column) if whole else len(column) - counts.max()
    few = len(values) <= KNOTS and REPEATS * (len(values) - 1) <= events
    return tuple(float(value) for value in values) if few else None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two sets of events, given as flags, are the same but for a few."""
    return bool((a & b).sum() >= SAME_EVENTS * (a | b).sum())


def _score(level: float) -> float:
    """Normal score of a probability; beyond all scores at 0 and 1."""
    return float(np.clip(numpy_ndtri(np.clip(level, 0.0, 1.0)), -NOWHERE, NOWHERE))
