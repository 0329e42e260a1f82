from . import config, features, model, regressor, verbs
from .config import Config
from .model import Calibrated
from .verbs import IN_MEMORY, calibrate, fit, load, log_likelihood, save

__all__ = [
    "IN_MEMORY",
    "Calibrated",
    "Config",
    "calibrate",
    "config",
    "features",
    "fit",
    "load",
    "log_likelihood",
    "model",
    "regressor",
    "save",
    "verbs",
]
