"""Frechet and kernel physics distances between feature vectors (FPD, KPD; arXiv:2211.10295).

As jetnet 0.2.5 computes them, with its draws for the same seed, and with the sizes of the CaloChallenge
(arXiv:2410.21611, section 4), whose tables hold both distances times 1e3. The features of both samples are divided by
the largest |feature| of the reference, or by 1 where that is 0. All in float64: the sums over rows and pairs in JAX, in
blocks, and the linear algebra of the covariances in NumPy.

Samples are finite, and batches drawn from them with replacement know no more than they do. So both distances compare
the samples themselves and not their laws, and are biased upwards:

- FPD tends to the Frechet distance of the two empirical distributions. For unit Gaussians in d dimensions, n rows each,
  that is d (d + 5) / (2 n) more than of the laws while n is far above d^2. Where batches have no more rows than
  features, it is not linear in 1/N either, and the extrapolation overshoots: two samples of one simulation of set 2
  (362 features), 1,000 showers each, have an FPD of 1.5 +- 0.1, of which 0.90 is their own Frechet distance.
- KPD counts a row that was drawn twice as a pair of its own sample, and rises by the mean of k(x, x) - k(x, x') times
  1/n + 1/m: by 0.0005 for the same showers, a third of its error there.

A value therefore means something beside that of two samples of the reference of the same sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from scipy.optimize import nnls
from scipy.stats import iqr
from threadpoolctl import threadpool_limits

from hepjax.metrics.bootstrap import Estimate
from hepjax.types import InputError

PUBLISHED_SHOWERS = 100_000
POINTS = 10
FEWEST = 20
SMALLEST_KERNEL_BATCH = 100
BATCHES, KERNEL_BATCHES = 20, 10
SEED, SEED_STEP = 42, 1000
DEGREE = 4
SIGMAS = (16.275, 83.725)
ROWS_AT_ONCE = 1000
KERNEL_ROWS_AT_ONCE = 2500

Features = Float[np.ndarray, "_ _"]


class Sizes(NamedTuple):
    """Rows a batch: `frechet`, the sizes from which FPD extrapolates, and `kernel`, that of KPD."""

    frechet: tuple[int, ...]
    kernel: int


def scaled_sizes(n: int, m: int) -> Sizes:
    """Sizes of batches from samples of n and m rows: those of the CaloChallenge from 100,000 rows on.

    Smaller samples keep its ratios. FPD: ten sizes, regular in 1/N and truncated as jetnet does, from a tenth to half
    of the smaller sample; KPD: a tenth of it, but at least 100 rows. Raises InputError for fewer than 20 rows.

    >>> scaled_sizes(100_000, 120_000).frechet[::9], scaled_sizes(2_000, 1_000).kernel
    ((10000, 49999), 100)
    """
    rows = min(n, m, PUBLISHED_SHOWERS)
    if rows < FEWEST:
        raise InputError(f"FPD and KPD need {FEWEST} rows of each sample, got {n} and {m}")
    smallest, largest = rows // 10, rows // 2
    frechet = (1 / np.linspace(1 / smallest, 1 / largest, POINTS)).astype(int)
    return Sizes(tuple(frechet.tolist()), max(smallest, min(rows, SMALLEST_KERNEL_BATCH)))


def size_notes(n: int, m: int) -> dict[str, str]:
    """What to print beside `fpd` and `kpd` of samples too small for the published sizes; empty of large ones.

    >>> size_notes(1_000, 1_000)["kpd"]
    'KPD with 100 showers a batch, scaled to samples of 1,000 (published: 10,000)'
    """
    rows, kernel = min(n, m), scaled_sizes(n, m).kernel
    if rows >= PUBLISHED_SHOWERS:
        return {}
    scaled = f"showers a batch, scaled to samples of {rows:,}"
    return {
        "fpd": f"FPD with {rows // 10:,} to {rows // 2:,} {scaled} (published: 10,000 to 50,000)",
        "kpd": f"KPD with {kernel:,} {scaled} (published: 10,000)",
    }


def fpd(
    reference: Float[np.ndarray, "n d"],
    generated: Float[np.ndarray, "m _"],
    *,
    sizes: Sequence[int] | None = None,
    batches: int = BATCHES,
    seed: int = SEED,
) -> Estimate:
    """Frechet physics distance, extrapolated to infinite batches (arXiv:2211.10295, section III; arXiv:1911.07023).

    reference: (n, d). generated: (m, d).

    At each of `sizes`, by default `scaled_sizes`, the mean of `frechet_distance` over `batches` pairs of batches drawn
    with replacement; then `extrapolated` to 1/N = 0. The error does not cover that the samples are finite: see the top
    of the module for the bias.

    Raises InputError for samples of different width, with values that are not finite, or of fewer than 20 rows.
    """
    x, y, scale = _with_scale(reference, generated)
    sizes = scaled_sizes(len(x), len(y)).frechet if sizes is None else sizes
    rng = np.random.default_rng(seed)
    # The small matrices of LAPACK gain nothing by threads, and lose much where other work has the cores.
    with jax.enable_x64(True), threadpool_limits(1):
        tables = jnp.asarray(x), jnp.asarray(y)
        distances = [np.mean([_drawn_distance(rng, tables, scale, n) for _ in range(batches)]) for n in sizes]
    return extrapolated(np.array(sizes), np.array(distances))


def extrapolated(sizes: Int[np.ndarray, " k"], distances: Float[np.ndarray, " k"]) -> Estimate:
    """Intercept of the least-squares line in 1/N with intercept and slope >= 0, and its error from the residuals.

    The exact minimum, by an active set. The published recipe takes `scipy.optimize.curve_fit` with bounds, which stops
    short of them: for the same Gaussian sample twice (2,000 rows of 10 features, 8 seeds) it gives up to 0.035e-3 more,
    a sixteenth of the error, and never 0; for two such samples, at some 3e-3, at most 0.0014e-3 more. In both the error
    is that of a line without bounds.

    >>> round(extrapolated(np.array([10, 20, 50]), np.array([0.35, 0.25, 0.19])).value, 3)
    0.15
    """
    # The slope in units of the smallest batch, so that both columns are near 1.
    line = np.stack([np.ones(len(sizes)), sizes.min() / sizes], axis=1)
    (intercept, _), residual = nnls(line, distances)
    variance = residual**2 / (len(sizes) - 2)
    return Estimate(float(intercept), float(np.sqrt(variance * np.linalg.inv(line.T @ line)[0, 0])))


def kpd(
    reference: Float[np.ndarray, "n d"],
    generated: Float[np.ndarray, "m _"],
    *,
    batch: int | None = None,
    batches: int = KERNEL_BATCHES,
    seed: int = SEED,
) -> Estimate:
    """Kernel physics distance: the MMD^2 of the kernel (x.y / d + 1)^4 (arXiv:2211.10295, section III).

    reference: (n, d). generated: (m, d).

    The median of `mmd` over `batches` pairs of `batch` rows drawn with replacement, by default the `scaled_sizes`, and
    half the range of the central 67.45 percent of them. Raises InputError as `fpd` does.
    """
    x, y, scale = _with_scale(reference, generated)
    size = scaled_sizes(len(x), len(y)).kernel if batch is None else batch
    generators = [np.random.default_rng(seed + SEED_STEP * i) for i in range(batches)]
    values = [mmd(*(table[rng.choice(len(table), size=size)] / scale for table in (x, y))) for rng in generators]
    return Estimate(float(np.median(values)), float(iqr(values, rng=SIGMAS) / 2))


def frechet_distance(
    mean_a: Float[np.ndarray, " d"],
    covariance_a: Float[np.ndarray, "d d"],
    mean_b: Float[np.ndarray, " d"],
    covariance_b: Float[np.ndarray, "d d"],
) -> float:
    """Squared Wasserstein-2 distance of two Gaussians: |mean_a - mean_b|^2 + tr(A + B - 2 (A B)^(1/2)).

    For A = L L^T, the eigenvalues of A B are those of the symmetric L^T B L: real and, but for rounding, not negative,
    of singular covariances too. Rounding leaves 1e-8 of the traces for each direction without variance.

    >>> frechet_distance(np.zeros(1), np.eye(1), np.full(1, 3.0), 4 * np.eye(1))
    10.0
    """
    variances, axes = np.linalg.eigh(covariance_a)
    factor = axes * np.sqrt(np.maximum(variances, 0))
    squares = np.linalg.eigvalsh(factor.T @ covariance_b @ factor)
    root_trace = np.sqrt(np.maximum(squares, 0)).sum()
    return float(np.sum((mean_a - mean_b) ** 2) + np.trace(covariance_a) + np.trace(covariance_b) - 2 * root_trace)


def mmd(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"]) -> float:
    """Squared maximum mean discrepancy of the kernel (x.y / d + 1)^4, unbiased: without a row's pair with itself.

    Memory is that of the rows and of one block of pairs (Gretton et al., JMLR 13 (2012) 723, eq. 3).
    """
    with jax.enable_x64(True):
        xs, ys = _blocks(x), _blocks(y)
        within = _pairs(xs) / (len(x) * (len(x) - 1)) + _pairs(ys) / (len(y) * (len(y) - 1))
        return float(within - 2 * _total(_kernel(a, b) for a in xs for b in ys) / (len(x) * len(y)))


def _with_scale(reference: Features, generated: Features) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both samples in float64, and by what to divide their features (d,)."""
    x, y = np.asarray(reference, np.float64), np.asarray(generated, np.float64)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"FPD and KPD need samples of the same features, got shapes {x.shape} and {y.shape}")
    largest, other = (np.maximum(table.max(axis=0), -table.min(axis=0)) for table in (x, y))
    if not (np.isfinite(largest).all() and np.isfinite(other).all()):
        raise InputError("FPD and KPD need finite features")
    return x, y, np.where(largest > 0, largest, 1.0)


def _drawn_distance(rng: np.random.Generator, tables: tuple[Array, Array], scale: np.ndarray, size: int) -> float:
    """`frechet_distance` of the scaled features of one batch of either sample."""
    drawn = [_moments(table, rng.choice(len(table), size=size)) for table in tables]
    scaled = [(mean / scale, covariance / np.outer(scale, scale)) for mean, covariance in drawn]
    return frechet_distance(*scaled[0], *scaled[1])


def _moments(table: Array, rows: Int[np.ndarray, " size"]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased covariance of drawn rows."""
    padding = np.full(-len(rows) % ROWS_AT_ONCE, len(table))
    chunks = np.concatenate([rows, padding]).reshape(-1, ROWS_AT_ONCE)
    sums = [_sums(table, chunk) for chunk in chunks]
    total, squares = (np.asarray(sum(part)) for part in zip(*sums, strict=True))
    mean = total / len(rows)
    return mean, (squares - np.outer(total, mean)) / (len(rows) - 1)


@jax.jit
def _sums(table: Array, rows: Array) -> tuple[Array, Array]:
    """Sum (d,) and sum of outer products (d, d) of rows of a table; a row past its end counts as zero."""
    drawn = table.at[rows].get(mode="fill", fill_value=0)
    # On a CPU, the product of a transpose that lies in memory is twice as fast.
    across = jax.lax.optimization_barrier(drawn.T.copy())
    return jnp.sum(drawn, 0), across @ drawn


def _blocks(x: Features) -> list[Array]:
    parts = np.array_split(np.asarray(x, np.float64), -(-len(x) // KERNEL_ROWS_AT_ONCE))
    return [jnp.asarray(part) for part in parts]


def _pairs(blocks: list[Array]) -> Array:
    """Sum of the kernel over all pairs of different rows of one sample."""
    above = _total(_kernel(a, b) for i, a in enumerate(blocks) for b in blocks[:i])
    return 2 * above + _total(_kernel(a, a) - _diagonal(a) for a in blocks)


def _total(parts: Iterable[Array]) -> Array:
    return jnp.sum(jnp.stack([jnp.zeros(()), *parts]))


@jax.jit
def _kernel(a: Array, b: Array) -> Array:
    return jnp.sum((a @ b.T / a.shape[1] + 1) ** DEGREE)


@jax.jit
def _diagonal(a: Array) -> Array:
    return jnp.sum((jnp.sum(jnp.square(a), -1) / a.shape[1] + 1) ** DEGREE)
