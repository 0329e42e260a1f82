"""Differentiable physics-ML for collider physics: pure functions, and pipelines composed of them."""

import lazy_loader

__version__ = "0.1.0"

ROOMS = [
    "bridges",
    "classifiers",
    "data",
    "dynamics",
    "evaluation",
    "flows",
    "inference",
    "metrics",
    "nets",
    "pipelines",
    "report",
    "training",
    "transforms",
    "types",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=ROOMS)
