"""One folder a method: `fit(...)` and its verb, on records of physics. Lazy, so that configuration imports no jax."""

import lazy_loader

NAMES = [
    "anomaly",
    "calibration",
    "caloflow",
    "omnifold",
    "posterior",
    "profile_omnifold",
    "squirels",
    "unfolding",
]
__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submodules=NAMES)
