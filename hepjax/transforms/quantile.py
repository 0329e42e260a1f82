"""Every coordinate made standard normal given one condition, with a point mass at zero where cells have one.

After a quadratic trend is taken off, a coordinate's quantile function is tabulated at a few nodes of the condition
and is linear between them, in the condition as in the normal score. Nothing about its shape is assumed: thresholds,
edges at fixed energies and tails stay what the sample shows.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr, ndtri
from jaxtyping import Array, Float, Key
from scipy.special import ndtr as numpy_ndtr
from scipy.special import ndtri as numpy_ndtri

from hepjax.caching import cached
from hepjax.draws import draw_uniform
from hepjax.transforms.host import floats
from hepjax.types import Transform

FEWEST = 20  # a node that sees fewer positive values than this uses those of all nodes
TINY = 1e-7  # smallest step from zero of a uniform float32
LEAST = 1e-30  # smallest probability that has a score
CENTRAL = (0.16, 0.5, 0.84)
REACH = 10.0  # values further from the median than so many widths count as so far for the trend
STEP = 1e-4  # smallest rise of a table, from end to end, in widths of the column
ROUNDING = 1e-6  # and of a knot, as a share of its value: some float32 roundings


class Quantiles(NamedTuple):
    """Fitted tables.

    nodes: (n,), rising values of the condition. zero: (n, d), the point mass. trend: (3, d), a parabola in the
    condition beyond the first node. table: (n, d, k), quantiles about the trend at k equally spaced normal scores from
    -score to score. Where there is a point mass, trend and table speak of ln x. score: ().
    """

    nodes: Float[Array, " n"]
    zero: Float[Array, "n d"]
    trend: Float[Array, "3 d"]
    table: Float[Array, "n d k"]
    score: Float[Array, ""]


def dequantize(keys: Key[Array, "*batch"], x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """Give exact zeros a density: 0 becomes -u with u uniform in (0, 1), positive values stay.

    The reference measure of densities in the result is Lebesgue's, that of the point mass spread over (-1, 0).
    keys: one per event.
    """

    def one(key, x):
        u = draw_uniform(key, x.shape, x.dtype, TINY)
        return jnp.where(x > 0, x, -u)

    flat = jax.vmap(one)(keys.reshape(-1), x.reshape(keys.size, x.shape[-1]))
    return flat.reshape(x.shape)


def quantize(y: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """The inverse of `dequantize`: what lies below zero is an exact zero."""
    return jnp.maximum(y, 0)


@cached
def gaussianize(nodes: int = 16, knots: int = 65, *, point_mass: bool = False) -> Transform:
    """Standard normal scores of every coordinate given the first condition: z = Phi^-1(F(x | cond)).

    point_mass: coordinates come from `dequantize`. With p0 the probability of a zero given the condition,
    F = p0 (1 + x) below zero and p0 + (1 - p0) F_positive(ln x) above; the transform is invertible on both sides.
    Beyond the outermost knots, where the sample has about two events, the quantile function goes on linearly, with its
    average slope on that side of the median: an outlier gets a large score, not an absurd one, and so in return.

    fit takes data (n, d), cond (n, 1) and weights, and needs as many events as nodes; every node sees the events
    between its neighbours, weighted linearly. forward and inverse take any leading shape.
    """

    def fit(data, cond, weight=None):
        data, given = np.asarray(data, np.float64), np.asarray(cond, np.float64)[:, 0]
        weight = np.ones(len(data)) if weight is None else np.asarray(weight, np.float64)
        places = np.quantile(given, np.linspace(0, 1, nodes))
        score = float(-numpy_ndtri(2.0 / max(len(data) / nodes, 8.0)))
        levels = numpy_ndtr(np.linspace(-score, score, knots))
        closeness = weight[:, None] * _hats(given, places)
        seen = data > 0 if point_mass else np.ones_like(data, bool)
        values = np.log(np.where(seen, data, 1.0)) if point_mass else data
        trend = _parabolas(given - places[0], _without_outliers(values, seen), seen * weight[:, None])
        values = values - _powers(given - places[0]) @ trend
        mass = np.einsum("en,ed->nd", closeness, seen)
        # Half an event on either side keeps both probabilities inside (0, 1).
        zero = 1 - (mass + 0.5) / (closeness.sum(0)[:, None] + 1.0) if point_mass else np.zeros_like(mass)
        unseen = np.where(seen, np.log(np.where(seen, data, 1.0)), 0.0).min(initial=0.0) if point_mass else 0.0
        pooled = seen * weight[:, None]
        table = np.stack([_quantiles(values, seen * w[:, None], pooled, levels, unseen) for w in closeness.T])
        return Quantiles(*floats(places, zero, trend, table, score))

    def forward(constants, x, cond):
        low, share = _locate(constants.nodes, cond[..., 0])
        value = jnp.log(jnp.where(x > 0, x, 1)) if point_mass else x
        log_slope = -value if point_mass else 0.0
        value = value - _powers(cond[..., 0] - constants.nodes[0]) @ constants.trend
        segment = _segment(constants.table, low, share, _bisect(constants.table, low, share, value))
        step = 2 * constants.score / (knots - 1)
        score = -constants.score + step * (segment.knot + (value - segment.value) / segment.width)
        log_det = jnp.log(step / segment.width) + log_slope
        if point_mass:
            score, log_det = _mix(score, log_det, x, _between(constants.zero, low, share))
        return score, log_det.sum(-1)

    def inverse(constants, y, cond):
        low, share = _locate(constants.nodes, cond[..., 0])
        score, log_det, zero = y, 0.0, None
        if point_mass:
            zero = _between(constants.zero, low, share)
            score, log_det = _unmix(y, zero)
        step = 2 * constants.score / (knots - 1)
        place = (score + constants.score) / step
        segment = _segment(constants.table, low, share, jnp.clip(jnp.floor(place), -1, knots - 1).astype(int))
        value = segment.value + (place - segment.knot) * segment.width
        value = value + _powers(cond[..., 0] - constants.nodes[0]) @ constants.trend
        log_det = log_det + jnp.log(segment.width / step)
        if zero is None:
            return value, log_det.sum(-1)
        empty = _is_empty(y, zero)
        below = ndtr(y) / zero - 1
        log_empty = _log_normal(y) - jnp.log(zero)
        return jnp.where(empty, below, jnp.exp(value)), jnp.where(empty, log_empty, log_det + value).sum(-1)

    return Transform(fit, forward, inverse)


def _hats(given: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Linear interpolation weights (events, nodes); nodes coincide where many events do, and then share theirs."""
    identity = np.eye(len(nodes))
    return np.stack([np.interp(given, nodes, row) for row in identity], axis=1) @ (nodes[:, None] == nodes)


def _powers(x):
    """1, x, x^2 along a new last axis."""
    return x[..., None] ** np.arange(3)


def _without_outliers(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Every column's values within `REACH` widths of its median: a parabola would follow those beyond."""
    clipped = np.empty_like(values)
    for j, (column, used) in enumerate(zip(values.T, seen.T, strict=True)):
        low, middle, high = np.quantile(column[used], CENTRAL) if used.any() else (0.0, 0.0, 0.0)
        reach = REACH * (high - low) / 2
        clipped[:, j] = np.clip(column, middle - reach, middle + reach) if reach else column
    return clipped


def _parabolas(x: np.ndarray, values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Weighted least squares of every column (3, d); a whiff of ridge for columns with too few entries."""
    powers = _powers(x)
    gram = np.einsum("ni,nd,nj->dij", powers, weight, powers) + 1e-6 * len(x) * np.eye(3)
    return np.linalg.solve(gram, np.einsum("ni,nd->di", powers, weight * values)[..., None])[..., 0].T


def _quantiles(
    values: np.ndarray, weight: np.ndarray, pooled: np.ndarray, levels: np.ndarray, unseen: float
) -> np.ndarray:
    """Weighted quantiles of every column, (d, k), strictly rising; columns never seen hold the value `unseen`."""
    rows = []
    for column, own, every in zip(values.T, weight.T, pooled.T, strict=True):
        w = own if np.count_nonzero(own) >= FEWEST else every
        used = w > 0
        if not used.any():
            rows.append(np.full_like(levels, unseen))
            continue
        order = np.argsort(column[used])
        level = np.cumsum(w[used][order])
        level = (level - 0.5 * w[used][order]) / level[-1]
        rows.append(np.interp(levels, level, column[used][order]))
    table = np.reshape(rows, (len(rows), len(levels)))
    # Ties would make segments of no width: every step is at least a small share of the column's width, and some
    # float32 roundings of its value.
    low, high = (np.interp(level, levels, np.arange(len(levels))).astype(int) for level in (CENTRAL[0], CENTRAL[-1]))
    width = np.maximum(table[:, high] - table[:, low], 1e-3)
    for k in range(1, len(levels)):
        least = np.maximum(STEP * width / len(levels), ROUNDING * np.abs(table[:, k]))
        table[:, k] = np.maximum(table[:, k], table[:, k - 1] + least)
    return table


def _locate(nodes: Array, given: Array) -> tuple[Array, Array]:
    """Index of the node below, and the share of the way to the next one; outside, the end nodes hold."""
    low = jnp.clip(jnp.searchsorted(nodes, given, side="right", method="compare_all") - 1, 0, nodes.shape[0] - 2)
    gap = nodes[low + 1] - nodes[low]
    share = (given - nodes[low]) / jnp.where(gap > 0, gap, 1)
    return low, jnp.clip(share, 0, 1)


def _between(table: Array, low: Array, share: Array) -> Array:
    """A table (n, d) interpolated between the two nodes around each event: (..., d)."""
    share = share[..., None]
    return (1 - share) * table[low] + share * table[low + 1]


def _quantile(table: Array, low: Array, share: Array, k: Array) -> Array:
    """Quantile number k (..., d) of every coordinate: two look-ups each, without building interpolated tables."""
    _, columns, knots = table.shape
    entries, share = table.reshape(-1), share[..., None]
    place = (low[..., None] * columns + jnp.arange(columns)) * knots + k
    below, above = (jnp.take(entries, place + step, mode="clip") for step in (0, columns * knots))
    return (1 - share) * below + share * above


class _Segment(NamedTuple):
    """A straight piece of a quantile function: it starts at `value` at number `knot` and rises by `width` a knot."""

    knot: Array
    value: Array
    width: Array


def _segment(table: Array, low: Array, share: Array, cell: Array) -> _Segment:
    """The piece above knot number `cell`; -1 is the tail below the first knot, the last knot's is the upper tail."""
    last = table.shape[-1] - 1
    knot = jnp.clip(cell, 0, last)
    value = _quantile(table, low, share, knot)
    inner = _quantile(table, low, share, jnp.minimum(knot + 1, last)) - value
    first, middle, end = (_quantile(table, low, share, jnp.full(cell.shape, k)) for k in (0, last // 2, last))
    below, above = (middle - first) / (last // 2), (end - middle) / (last - last // 2)
    return _Segment(knot, value, jnp.where(cell < 0, below, jnp.where(cell == last, above, inner)))


def _bisect(table: Array, low: Array, share: Array, value: Array) -> Array:
    """Number of the last knot at or below each value, -1 where there is none."""
    knots = table.shape[-1]

    def leap(knot, length):
        further = knot + length
        above = _quantile(table, low, share, jnp.minimum(further, knots - 1)) <= value
        return jnp.where(above & (further < knots), further, knot), None

    lengths = 2 ** jnp.arange(math.ceil(math.log2(knots + 1)))[::-1]
    return jax.lax.scan(leap, jnp.full(value.shape, -1), lengths)[0]


def _log_normal(z: Array) -> Array:
    return -0.5 * (z * z + jnp.log(2 * jnp.pi))


def _score(lower: Array, upper: Array) -> Array:
    """Phi^-1 of a probability given with its complement, accurate in both tails."""
    below = lower < upper
    z = ndtri(jnp.clip(jnp.where(below, lower, upper), LEAST, 0.6))
    return jnp.where(below, z, -z)


def _mix(score: Array, log_det: Array, x: Array, zero: Array) -> tuple[Array, Array]:
    """Scores of positive values squeezed above the point mass, and those of the zeros below it."""
    lower = jnp.where(x > 0, zero + (1 - zero) * ndtr(score), zero * (1 + x))
    upper = jnp.where(x > 0, (1 - zero) * ndtr(-score), (1 - zero) - zero * x)
    z = _score(lower, upper)
    log_above = log_det + jnp.log1p(-zero) + _log_normal(score) - _log_normal(z)
    return z, jnp.where(x > 0, log_above, jnp.log(zero) - _log_normal(z))


def _is_empty(z: Array, zero: Array) -> Array:
    return ndtr(z) < zero


def _unmix(z: Array, zero: Array) -> tuple[Array, Array]:
    """Scores among the positive values, and log|dscore/dz|; any finite number where the cell is empty."""
    filled = jnp.where(_is_empty(z, zero), 0.0, z)
    lower = jnp.where(_is_empty(z, zero), 0.5, (ndtr(filled) - zero) / (1 - zero))
    upper = jnp.where(_is_empty(z, zero), 0.5, ndtr(-filled) / (1 - zero))
    score = _score(lower, upper)
    return score, _log_normal(filled) - _log_normal(score) - jnp.log1p(-zero)
