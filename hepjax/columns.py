"""What a column of a table holds besides a continuum."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

LEAST_SHARE = 2e-3  # of the events that are at a point mass
LEAST_REPEATS = 5  # events at a point mass to one at any other value
MOST_MASSES = 4


def point_masses(column: Float[np.ndarray, " n"]) -> tuple[float, ...]:
    """Values that events share which do not share others, the most frequent first, up to four of them.

    A value is a point mass if more than 0.2 percent of the events have it, and five times as many as any other value
    has on average. So chance, which makes a few values of a small sample or of rounded numbers equal, makes none; the
    values of a multiplicity are none, but -999 among them is.

    >>> point_masses(np.append(np.linspace(0, 1, 95), [-999.0] * 5))
    (-999.0,)
    """
    values, counts = np.unique(column, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    left, found = len(column), []
    for k, place in enumerate(order[: min(MOST_MASSES, len(values) - 1)]):
        left -= counts[place]
        least = max(LEAST_SHARE * len(column), LEAST_REPEATS * left / (len(values) - k - 1))
        if counts[place] < least:
            break
        found.append(float(values[place]))
    return tuple(found)
