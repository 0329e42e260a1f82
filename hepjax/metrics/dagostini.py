"""Binned iterative unfolding of one observable, the classical baseline.

D'Agostini, Nucl. Instrum. Meth. A362 (1995) 487. The bins at particle level are causes C_i, those at detector level
effects E_j. Starting from the simulation's numbers n_i, an iteration is Bayes' theorem with these numbers as prior,

    n_i <- n_i / eps_i sum_j P(E_j | C_i) m_j / sum_k P(E_j | C_k) n_k,    eps_i = sum_j P(E_j | C_i).

Few iterations regularise towards the simulation, many approach the maximum of the likelihood. Fakes are one more cause.
The covariance is propagated through all iterations by the exact Jacobian of the whole map, which autodiff gives: the
corrected error propagation of arXiv:1105.1160. D'Agostini's own formula holds the prior of each iteration fixed, which
is right for the first one alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax.caching import cached
from hepjax.metrics.histograms import Histogram
from hepjax.metrics.migration import Migration
from hepjax.types import InputError

# After the usual four, Pythia against Vincia fails the bottom-line test: the chi-square grows by a factor of 5 in tau21
# and of 2 in z_g. After ten it grows by 2 in tau21, by a fifth in z_g, and by 2 percent at most in four observables.
ITERATIONS = 10
LEAST_EIGENVALUE = 1e-10


class Binned(NamedTuple):
    """An unfolded histogram.

    edges: (b + 1,). counts: (b,), events at particle level. data_covariance: (b, b), of the data's statistics.
    simulation_covariance: (b, b), of the simulation's, through the response and the starting point.
    """

    edges: Float[np.ndarray, " b+1"]
    counts: Float[np.ndarray, " b"]
    data_covariance: Float[np.ndarray, "b b"]
    simulation_covariance: Float[np.ndarray, "b b"]

    @property
    def covariance(self) -> Float[np.ndarray, "b b"]:
        """Of data and simulation together."""
        return self.data_covariance + self.simulation_covariance


class Chi2(NamedTuple):
    """A chi-square and its degrees of freedom."""

    value: float
    dof: int


class BottomLine(NamedTuple):
    """How well the data tell two models apart, at detector level and after unfolding, by the data's covariance.

    Unfolding adds no information: a chi-square that grows tells of an error that is too small (arXiv:1607.07038).
    """

    reco: Chi2
    unfolded: Chi2

    @property
    def passed(self) -> bool:
        """Whether unfolding did not sharpen the difference."""
        return self.unfolded.value <= self.reco.value


def dagostini(response: Migration, data: Histogram, iterations: int = ITERATIONS) -> Binned:
    """Unfold the data's histogram, in the bins of the migration matrix.

    Raises InputError for other bins, gen bins of which nothing is measured, data in bins where the simulation has
    none, or a number of iterations below one.
    """
    _check(response, data, iterations)
    simulated = response.counts, response.missed, response.fakes
    variances = response.variance, response.missed_variance, response.fakes_variance
    with jax.enable_x64(True):
        values, jacobians = _unfold_and_jacobian(iterations)(*map(jnp.asarray, (data.counts, *simulated)))
    counts, (to_data, *to_simulation) = np.asarray(values), [np.asarray(j) for j in jacobians]
    of_simulation = sum(
        _propagated(j.reshape(len(counts), -1), v.ravel()) for j, v in zip(to_simulation, variances, strict=True)
    )
    return Binned(response.edges, counts, _propagated(to_data, data.variance), np.asarray(of_simulation))


def unfold(
    data: Float[Array, " b"],
    counts: Float[Array, "b b"],
    missed: Float[Array, " b"],
    fakes: Float[Array, " b"],
    iterations: int,
) -> Float[Array, " b"]:
    """The numbers at particle level after the iterations, a differentiable function of data and simulation.

    counts: (b, b), gen by reco. missed: (b,), by gen bin. fakes: (b,), by reco bin.
    """
    causes = jnp.concatenate([counts, fakes[None]])
    begin = jnp.concatenate([counts.sum(1) + missed, fakes.sum()[None]])
    response = causes / jnp.where(begin > 0, begin, 1.0)[:, None]
    efficiency = response.sum(1)

    def iterate(n, _):
        expected = n @ response
        ratio = jnp.where(expected > 0, data, 0.0) / jnp.where(expected > 0, expected, 1.0)
        return n * (response @ ratio) / jnp.where(efficiency > 0, efficiency, 1.0), None

    return jax.lax.scan(iterate, begin, None, length=iterations)[0][:-1]


def chi2(difference: Float[np.ndarray, " b"], covariance: Float[np.ndarray, "b b"]) -> Chi2:
    """d V^-1 d on the eigenvectors of V that are not null: their number is that of the degrees of freedom.

    >>> chi2(np.array([1.0, 2.0]), np.diag([1.0, 4.0]))
    Chi2(value=2.0, dof=2)
    """
    eigenvalues, vectors = np.linalg.eigh(covariance)
    kept = eigenvalues > LEAST_EIGENVALUE * eigenvalues.max()
    pulls = vectors.T[kept] @ difference / np.sqrt(eigenvalues[kept])
    return Chi2(float(pulls @ pulls), int(kept.sum()))


def bottom_line(
    response: Migration,
    data: Histogram,
    unfolded: Binned,
    first: Float[np.ndarray, " b"],
    second: Float[np.ndarray, " b"],
) -> BottomLine:
    """The bottom-line test of an unfolding (arXiv:1607.07038) with two models, numbers of events in the gen bins.

    At detector level, the models are folded with the response and V is the variance of the data, in bins that have any;
    after unfolding, V is the covariance that this variance is propagated to.
    """
    difference = np.asarray(first, np.float64) - second
    filled = data.variance > 0
    at_reco = chi2((difference @ response.response)[filled], np.diag(data.variance[filled]))
    return BottomLine(at_reco, chi2(difference, unfolded.data_covariance))


@cached
def _unfold_and_jacobian(iterations: int) -> Callable[..., tuple[Array, tuple[Array, ...]]]:
    """Jitted (data, counts, missed, fakes) -> numbers, and their Jacobian in each argument."""

    def twice(*arguments: Array) -> tuple[Array, Array]:
        n = unfold(*arguments, iterations=iterations)
        return n, n

    jacobian = jax.jacrev(twice, argnums=(0, 1, 2, 3), has_aux=True)

    @jax.jit
    def both(*arguments: Array) -> tuple[Array, tuple[Array, ...]]:
        derivatives, n = jacobian(*arguments)
        return n, derivatives

    return both


def _propagated(jacobian: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """J diag(v) J^T."""
    return (jacobian * variance) @ jacobian.T


def _check(response: Migration, data: Histogram, iterations: int) -> None:
    name = response.column.name
    if iterations < 1:
        raise InputError(f"D'Agostini unfolding: {iterations} iterations, expected at least 1")
    if not np.array_equal(data.edges, response.edges):
        raise InputError(f"D'Agostini unfolding: expected the data's histogram of {name} in the response's bins")
    measured = response.counts.sum(1)
    if not (measured > 0).all():
        low, high = response.edges[np.argmin(measured) :][:2]
        raise InputError(
            f"D'Agostini unfolding: {name} from {low:g} to {high:g} is never measured, expected wider bins"
        )
    unseen = (data.counts > 0) & ~(response.counts.sum(0) + response.fakes > 0)
    if unseen.any():
        low, high = response.edges[np.argmax(unseen) :][:2]
        raise InputError(f"D'Agostini unfolding: data but no simulation with {name} from {low:g} to {high:g}")
