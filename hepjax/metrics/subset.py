"""Random rows of a sample: files come ordered by energy, slice or job, so that their first rows are no sample."""

from __future__ import annotations

import numpy as np
from jaxtyping import Int


def subset(n: int, size: int, seed: int = 0) -> Int[np.ndarray, " size"]:
    """`size` of the rows 0 to n - 1, drawn without replacement, in increasing order; all of them where n is no larger.

    The same n, size and seed give the same rows, and increasing rows can be read from a file slice by slice.

    >>> subset(3, 5)
    array([0, 1, 2])
    """
    if size >= n:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, size, replace=False))
