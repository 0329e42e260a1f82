"""What the data tell of nuisance parameters when the spectrum at particle level is free.

If gen x were measured with reco y, the score of theta would be s(x, y) = d log p(y | x, theta) / d theta. Of this the
data hold the mean given y (Louis, J. R. Stat. Soc. B 44 (1982) 226), less what a change of the spectrum could do as
well. The efficient score (Bickel et al., Efficient and Adaptive Estimation for Semiparametric Models, 1993)

    l(y) = E[s - h(x) | y],    with the h(x) that makes E[l(y) | x] = 0,

has the information of an event as its variance. That of s itself is greater: it is the curvature which the M-step of
the iteration sees, and an uncertainty from it would be too small. Conditional means are projections on polynomials of
second degree, which is exact where everything is Gaussian.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hepjax import transforms

CUTOFF = 1e-6
"""Changes of the spectrum of which the response leaves less than this, in variance, do not count as seen."""


class Matched(NamedTuple):
    """Simulated events that pass at both levels, and the data.

    gen: (n, d). reco: (n, e). spectrum: (n,) weights of the unfolded spectrum. response: (n,) factors w on these.
    pull: (n,) weights with which reco follows the data. score: (n, k). data: (m, e). yields: (m,) weights of the data.
    """

    gen: Float[np.ndarray, "n d"]
    reco: Float[np.ndarray, "n e"]
    spectrum: Float[np.ndarray, " n"]
    response: Float[np.ndarray, " n"]
    pull: Float[np.ndarray, " n"]
    score: Float[np.ndarray, "n k"]
    data: Float[np.ndarray, "m e"]
    yields: Float[np.ndarray, " m"]


class Information(NamedTuple):
    """Of the nuisance parameters, in all events of the data.

    complete: (k, k) if gen were measured too. observed: (k, k) with a free spectrum. variance: (k, k) of the sum of
    scores at the fixed point of the iteration, from the fluctuations of data and simulation.
    """

    complete: Float[np.ndarray, "k k"]
    observed: Float[np.ndarray, "k k"]
    variance: Float[np.ndarray, "k k"]

    @property
    def missing(self) -> float:
        """Fraction of the information that the data lack, between 0 and 1: the mean over the parameters."""
        share = np.trace(_solve(self.complete, self.observed)) / len(self.complete)
        return float(np.clip(1 - share, 0, 1))


def information(events: Matched, control: float) -> Information:
    """Information at a fixed point of the iteration; `control` is that of its M-step.

    The simulation's part of the variance comes from the fixed point's equations, for theta and for the h direction of
    the spectrum: event i contributes pull (s - h - l) + spectrum h - control spectrum w s.
    """
    yields = np.asarray(events.yields, np.float64)
    total = yields.sum()
    pull, spectrum, model = (
        total * weight / weight.sum() for weight in (events.pull, events.spectrum, events.spectrum * events.response)
    )
    y, seen = _quadratic(events.reco, pull, events.reco, events.data)
    (x,) = _quadratic(events.gen, spectrum, events.gen)
    score = np.asarray(events.score, np.float64)

    gram = y.T @ (pull[:, None] * y)
    means = _solve(gram, y.T @ (pull[:, None] * np.hstack([score, x])))
    of_score, of_spectrum = means[:, : score.shape[1]], means[:, score.shape[1] :]
    change = _solve(of_spectrum.T @ gram @ of_spectrum, of_spectrum.T @ gram @ of_score)
    efficient = of_score - of_spectrum @ change

    scores, h = seen @ efficient, x @ change
    influence = pull[:, None] * (score - h - y @ efficient) + spectrum[:, None] * h - control * model[:, None] * score
    from_data = (yields[:, None] ** 2 * scores).T @ scores
    return Information(
        complete=(pull[:, None] * score).T @ score,
        observed=(yields[:, None] * scores).T @ scores,
        variance=from_data + influence.T @ influence,
    )


def _quadratic(sample: np.ndarray, weight: np.ndarray, *tables: np.ndarray) -> list[Float[np.ndarray, "n p"]]:
    """1, z_i and z_i z_j of the observables of every table, z in standard deviations of the weighted sample."""
    mean, scale = (np.asarray(a, np.float64) for a in transforms.standardize().fit(sample, weight=weight))
    i, j = np.triu_indices(len(mean))
    standard = [(np.asarray(table, np.float64) - mean) / scale for table in tables]
    return [np.hstack([np.ones((len(z), 1)), z, z[:, i] * z[:, j]]) for z in standard]


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Symmetric linear equations without the directions that are lost in rounding."""
    return np.linalg.pinv(matrix, rcond=CUTOFF, hermitian=True) @ right
