"""What the CaloChallenge has published of some of its submissions (arXiv:2410.21611)."""

from __future__ import annotations

from typing import NamedTuple

from hepjax.types import InputError

SOURCE = "arXiv:2410.21611"
BATCHES = (1, 100, 10_000)
"""Showers at once, of the times."""

Times = tuple[float | None, float | None, float | None]


class Submission(NamedTuple):
    """A generator's numbers.

    auc_low, auc_high: of the classifiers on voxels and on high-level features. fpd, kpd: times 1e3. gpu_ms, cpu_ms:
    milliseconds a shower at each of `BATCHES`, None where it did not run.
    """

    model: str
    auc_low: float
    auc_high: float
    fpd: float
    kpd: float
    gpu_ms: Times
    cpu_ms: Times


_PUBLISHED = {
    "1-photons": (
        Submission("CaloDiffusion", 0.635, 0.536, 0.650, -0.010, (5593, 75, 24), (15680, 4266, 4500)),
        Submission("CaloINN", 0.626, 0.638, 3.90, 0.233, (24.6, 0.51, 0.19), (37.9, 2.8, 2.9)),
        Submission("CaloFlow student", 0.761, 0.667, 3.15, 0.090, (57, 0.79, 0.26), (576, 11, 6.1)),
    ),
    "1-pions": (Submission("CaloINN", 0.784, 0.732, 29.3, 1.48, (24.8, 0.44, 0.20), (42.8, 3.9, 4.6)),),
    "2": (
        Submission("CaloDREAM", 0.531, 0.521, 24.6, 0.023, (4846, 74, None), (16940, 5052, 5727)),
        Submission("conv. L2LFlows", 0.708, 0.737, 157.0, 0.271, (1409, 14, 1.6), (1969, 121, 89)),
        Submission("CaloINN", 0.743, 0.865, 733.0, 2.82, (53, 1.2, 0.65), (388, 60, 46)),
    ),
    "3": (
        Submission("CaloDREAM", 0.630, 0.524, 20.7, 0.010, (5003, 180, None), (33290, 32140, None)),
        Submission("conv. L2LFlows", 0.588, 0.733, 172.0, 0.325, (1430, 16, 6.8), (2357, 340, 429)),
    ),
}


def published(dataset: str) -> tuple[Submission, ...]:
    """The submissions to a data set: 1-photons, 1-pions, 2 or 3. Raises InputError for another.

    >>> [submission.model for submission in published("3")]
    ['CaloDREAM', 'conv. L2LFlows']
    """
    if dataset not in _PUBLISHED:
        raise InputError(f"unknown data set {dataset!r}, expected one of {', '.join(_PUBLISHED)}")
    return _PUBLISHED[dataset]
