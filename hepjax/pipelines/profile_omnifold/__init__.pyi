from . import config, information, response, steps, variations, verbs
from .config import Config, Nuisance
from .steps import Response
from .verbs import Spec, estimate, fit, iterations, load, save, unfold, untrained

__all__ = [
    "Config",
    "Nuisance",
    "Response",
    "Spec",
    "config",
    "estimate",
    "fit",
    "information",
    "iterations",
    "load",
    "response",
    "save",
    "steps",
    "unfold",
    "untrained",
    "variations",
    "verbs",
]
