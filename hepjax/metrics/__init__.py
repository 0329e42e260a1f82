"""Closed-form metrics of arrays: distances, histograms, the statistical floor, shower observables.

The CaloChallenge's features are `metrics.calorimeter.features` and its neighbours.

Lazy, so that a command imports what it needs alone; the names are listed in `__init__.pyi`, for lazy_loader as for type
checkers. A function named as its file is imported at once, or the file would take its name.
"""

import lazy_loader

from hepjax.metrics.auc import auc  # noqa: F401
from hepjax.metrics.coverage import coverage  # noqa: F401
from hepjax.metrics.dagostini import dagostini  # noqa: F401
from hepjax.metrics.layers import layers  # noqa: F401
from hepjax.metrics.migration import migration  # noqa: F401
from hepjax.metrics.nulls import nulls  # noqa: F401
from hepjax.metrics.subset import subset  # noqa: F401

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
