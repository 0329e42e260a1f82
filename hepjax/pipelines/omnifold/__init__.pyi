from . import config, convergence, steps, verbs
from .config import Config
from .convergence import table, unclosed
from .verbs import Spec, diagnostics, fit, load, push, save, unfold, untrained

__all__ = [
    "Config",
    "Spec",
    "config",
    "convergence",
    "diagnostics",
    "fit",
    "load",
    "push",
    "save",
    "steps",
    "table",
    "unclosed",
    "unfold",
    "untrained",
    "verbs",
]
