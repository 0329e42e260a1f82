from . import config, model, options, record, verbs
from .config import Config
from .verbs import fit, hold_out, load, save, score, score_estimated

__all__ = [
    "Config",
    "config",
    "fit",
    "hold_out",
    "load",
    "model",
    "options",
    "record",
    "save",
    "score",
    "score_estimated",
    "verbs",
]
