"""OmniFold: unbinned unfolding of all observables at once by iterated reweighting (arXiv:1911.09107, 2105.09923).

Lazy, so that `config` imports no jax; the names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
