from . import checkpoint, config
from .config import Config
from .history import History, TrainingError, extend, read_histories, write_histories, write_history
from .loop import Fitted, fit

__all__ = [
    "Config",
    "Fitted",
    "History",
    "TrainingError",
    "checkpoint",
    "config",
    "extend",
    "fit",
    "read_histories",
    "write_histories",
    "write_history",
]
