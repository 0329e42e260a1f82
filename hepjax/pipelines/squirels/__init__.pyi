from . import config, ipf, model, pairing, training, verbs
from .config import Config
from .verbs import _images, _preprocess, _untrained, fit, load, refine, save

__all__ = [
    "Config",
    "_images",
    "_preprocess",
    "_untrained",
    "config",
    "fit",
    "ipf",
    "load",
    "model",
    "pairing",
    "refine",
    "save",
    "training",
    "verbs",
]
