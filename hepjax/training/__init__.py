"""The one training loop: compiled epochs, a moving average, early stopping, several devices, checkpoints.

Lazy, so that `hepjax.training.config` (and with it the command line's help) imports no jax; the names are listed in
`__init__.pyi`, for lazy_loader as for type checkers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
