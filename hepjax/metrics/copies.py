"""Are generated showers copies of the training showers?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.stats import ks_2samp
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler


class CopyTest(NamedTuple):
    """Distances to the nearest training event, of unseen events and of generated ones.

    unseen_median, generated_median: in standard deviations of the training features. ks_p_value: of the two-sample
    Kolmogorov-Smirnov test. A generator that copies has much smaller distances than unseen events.
    """

    unseen_median: float
    generated_median: float
    ks_p_value: float


def copy_test(
    train: Float[np.ndarray, "t d"], unseen: Float[np.ndarray, "n d"], generated: Float[np.ndarray, "m d"]
) -> CopyTest:
    """Compare nearest-neighbour distances to `train` on features standardised there, for equal numbers of events."""
    scale = StandardScaler().fit(train)
    neighbours = NearestNeighbors(n_neighbors=1).fit(scale.transform(train))
    n = min(len(unseen), len(generated))
    to_train = [neighbours.kneighbors(scale.transform(x[:n]))[0][:, 0] for x in (unseen, generated)]
    p_value = np.asarray(ks_2samp(*to_train))[1]
    return CopyTest(float(np.median(to_train[0])), float(np.median(to_train[1])), float(p_value))
