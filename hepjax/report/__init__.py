"""Figures and the HTML report; every number comes from elsewhere.

Lazy, so that a command imports what it needs alone; the names are listed in `__init__.pyi`, for lazy_loader as for type
checkers. A function named as its file is imported at once, or the file would take its name.
"""

import lazy_loader

from hepjax.report.published import published  # noqa: F401

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
