from . import config, verbs
from .config import METHODS, Config
from .verbs import clipped, closure, fit, load, method, reco_columns, save, summary, unfold

__all__ = [
    "METHODS",
    "Config",
    "clipped",
    "closure",
    "config",
    "fit",
    "load",
    "method",
    "reco_columns",
    "save",
    "summary",
    "unfold",
    "verbs",
]
