from . import config, coordinates, model, options, record, training, verbs
from .config import Config
from .verbs import fit, in_memory, load, log_prob, require_geometry, sample, save

__all__ = [
    "Config",
    "config",
    "coordinates",
    "fit",
    "in_memory",
    "load",
    "log_prob",
    "model",
    "options",
    "record",
    "require_geometry",
    "sample",
    "save",
    "training",
    "verbs",
]
