"""Metrics that train something, and whole suites.

Lazy, so that configurations (and with them the command line's help) import no jax; the names are listed in
`__init__.pyi`, for lazy_loader as for type checkers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
