"""From observables of an event to the coordinates in which posteriors are learned, and back.

Observables are of three kinds: continuous ones, integers (a multiplicity), and ones with a point mass (a groomed
momentum fraction, 0 where grooming fails). Integers and point masses are spread into a continuum by noise of each
event, and every column is made a standard normal one by its tabulated quantiles. What comes back are integers and
exact point masses again, and never values beyond those of the simulation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float, Int
from scipy.special import ndtr as numpy_ndtr
from scipy.special import ndtri as numpy_ndtri

from hepjax import dynamics, transforms
from hepjax.caching import cached
from hepjax.types import AnyArray, Constants, PRNGKey

LEAST_MASS = 2e-3  # a value that a larger share of the events has is a point mass
SAME_EVENTS = 0.99
KNOTS = 513
NOWHERE = 1e3  # a score that no event has
TINY = 1e-6
LEAST_VALUE = 1e-30


@dataclasses.dataclass(frozen=True)
class Kinds:
    """What the columns of a table hold.

    integer: whether all values are whole numbers. mass: the value that a point mass sits at, or None.
    leader: the column whose point mass is in the same events as this one's, as in all observables of a failed
    grooming; the column itself where it has none, or is the first of them.
    """

    integer: tuple[bool, ...]
    mass: tuple[float | None, ...]
    leader: tuple[int, ...]


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
    it. low, high: (d,), ends of the point mass on the scale of scores, beyond all scores where there is none.
    """

    scores: Float[Array, " k"]
    values: Float[Array, "d k"]
    low: Float[Array, " d"]
    high: Float[Array, " d"]


def kinds(x: Float[np.ndarray, "n d"]) -> Kinds:
    """Find integers and point masses in the columns of a sample."""
    integer = tuple(bool((column == np.round(column)).all()) for column in x.T)
    mass = tuple(None if whole else _mass(column) for column, whole in zip(x.T, integer, strict=True))
    events = {j: x[:, j] == value for j, value in enumerate(mass) if value is not None}
    leader = list(range(x.shape[1]))
    for j in events:
        leader[j] = next((i for i in events if i < j and leader[i] == i and _same(events[i], events[j])), j)
    return Kinds(integer, mass, tuple(leader))


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

    @jax.jit
    def smoothed(key, x):
        return _spread(integer, x, ndtr(_noise(key, x)))

    def fit(key, x, weight):
        smooth = np.asarray(smoothed(key, x), np.float64)
        x, weight = np.asarray(x), np.asarray(weight, np.float64) / np.sum(weight)
        reach = float(-numpy_ndtri(0.5 / len(x)))
        grid = np.linspace(-reach, reach, KNOTS)
        values, ends = np.empty((dim, KNOTS)), np.full((2, dim), NOWHERE)
        for j in range(dim):
            at = x[:, j] == mass[j]
            below, share = (weight[x[:, j] < mass[j]].sum(), weight[at].sum()) if leads[j] else (0.0, 0.0)
            if share:
                ends[:, j] = _score(below), _score(below + share)
            level = numpy_ndtr(grid)
            level = np.where(level < below, level, np.maximum(level - share, below)) / (1 - share)
            values[j] = _quantiles(smooth[~at, j], weight[~at], level)
        return Fitted(*transforms.floats(grid, values, *ends))

    @jax.jit
    def encode(key, constants, x, rows=None):
        noise = _noise(key, x, rows)
        share = ndtr(noise)
        z = jax.vmap(jnp.interp, (1, 0, None), 1)(_spread(integer, x, share), constants.values, constants.scores)
        beside = jnp.where(leads & (x > mass), jnp.maximum(z, constants.high), jnp.minimum(z, constants.low))
        low, high = ndtr(constants.low), ndtr(constants.high)
        within = ndtri(jnp.clip(low + (high - low) * share, TINY, 1 - TINY))
        return jnp.where(x == mass, jnp.where(leads, within, noise), beside)

    @jax.jit
    def decode(constants, z):
        smooth = jax.vmap(jnp.interp, (-1, None, 0), -1)(z, constants.scores, constants.values)
        massive = ((constants.low < z) & (z < constants.high))[..., leader] & ~np.isnan(mass)
        return jnp.where(massive, np.nan_to_num(mass), jnp.where(integer, jnp.round(smooth), smooth))

    return Coordinates(fit, encode, decode)


@cached
def zscore(k: Kinds) -> Coordinates:
    """z-scores, the published preprocessing of SBUnfold (arXiv:2308.12351); integers are rounded on the way back."""
    integer, scale = np.array(k.integer), transforms.standardize()

    def fit(key, x, weight):
        return scale.fit(x, weight=weight)

    def encode(key, constants, x, rows=None):
        return scale.forward(constants, x)[0]

    def decode(constants, z):
        x, _ = scale.inverse(constants, z)
        return jnp.where(integer, jnp.round(x), x)

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


def _mass(column: np.ndarray) -> float | None:
    """The value that most events share, if they are more than a few."""
    values, counts = np.unique(column, return_counts=True)
    return float(values[counts.argmax()]) if counts.max() > LEAST_MASS * len(column) else None


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two sets of events, given as flags, are the same but for a few."""
    return bool((a & b).sum() >= SAME_EVENTS * (a | b).sum())


def _score(level: float) -> float:
    """Normal score of a probability; beyond all scores at 0 and 1."""
    return float(np.clip(numpy_ndtri(np.clip(level, 0.0, 1.0)), -NOWHERE, NOWHERE))


def _quantiles(column: np.ndarray, weight: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Weighted quantiles at rising levels, the outermost ones at the ends of the sample; strictly rising."""
    order = np.argsort(column)
    column, weight = column[order], weight[order]
    centre = np.cumsum(weight) - 0.5 * weight
    values = np.interp(level, centre / weight.sum(), column)
    # Ties would make the inverse ambiguous: each step is at least some roundings of float32.
    least = 3e-7 * max(np.abs(column).max(), LEAST_VALUE) * np.arange(len(values))
    return np.maximum.accumulate(values - least) + least
