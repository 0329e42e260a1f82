"""Anomalous showers by their likelihood, without a model of the anomaly (arXiv:2312.11618).

Lazy, so that `config` imports no jax; the names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
