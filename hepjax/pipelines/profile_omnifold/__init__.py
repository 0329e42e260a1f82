"""Profile OmniFold: unbinned unfolding with nuisance parameters of the response that the data determine as well

Lazy, so that `config` imports no jax; the names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
