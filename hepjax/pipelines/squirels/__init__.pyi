from . import config, ipf, model, options, pairing, record, training, verbs
from .config import Config
from .verbs import fit, load, refine, save

__all__ = [
    "Config",
    "config",
    "fit",
    "ipf",
    "load",
    "model",
    "options",
    "pairing",
    "record",
    "refine",
    "save",
    "training",
    "verbs",
]
