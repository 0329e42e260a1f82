"""Differentiable physics-ML for collider physics: pure functions, and pipelines composed of them."""

import lazy_loader

__version__ = "0.1.0"

ROOMS = [
    "bridges",
    "classifiers",
    "data",
    "devices",
    "dynamics",
    "evaluation",
    "export",
    "flows",
    "inference",
    "losses",
    "metrics",
    "nets",
    "pipelines",
    "provenance",
    "report",
    "training",
    "transforms",
    "types",
    "units",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=ROOMS)
