from . import config, features, model, options, record, regressor, verbs
from .config import Config
from .model import Calibrated
from .verbs import calibrate, fit, load, log_likelihood, save

__all__ = [
    "Calibrated",
    "Config",
    "calibrate",
    "config",
    "features",
    "fit",
    "load",
    "log_likelihood",
    "model",
    "options",
    "record",
    "regressor",
    "save",
    "verbs",
]
