"""The one training loop: compiled epochs, a moving average, early stopping, several devices, checkpoints.

Lazy, so that `hepjax.training.config` (and with it the command line's help) imports no jax.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["checkpoint", "config"],
    submod_attrs={
        "config": ["Config"],
        "history": ["TrainingError", "write_history"],
        "loop": ["Fitted", "fit"],
    },
)
