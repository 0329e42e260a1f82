"""Figures and the HTML report; every number comes from elsewhere.

Lazy, so that a command imports what it needs alone; the names are listed in `__init__.pyi`, for lazy_loader as for type
checkers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
