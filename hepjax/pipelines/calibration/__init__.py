"""Energies of showers by maximum likelihood (arXiv:2404.18992): the estimate knows no prior of the training sample.

Lazy, so that `config` imports no jax; the names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
