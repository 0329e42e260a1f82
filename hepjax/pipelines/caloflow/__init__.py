"""CaloFlow: fast and faithful showers from normalizing flows (arXiv:2106.05285, arXiv:2110.11377, arXiv:2312.09290).

Lazy, so that `config` imports no jax; the names are listed in `__init__.pyi`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
