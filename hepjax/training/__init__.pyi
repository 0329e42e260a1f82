from . import checkpoint, config
from .config import Config
from .epoch import Encode
from .history import History, TrainingError, extend, read_histories, write_histories, write_history
from .loop import Fitted, fit
from .stream import Stream
from .table import take

__all__ = [
    "Config",
    "Encode",
    "Fitted",
    "History",
    "Stream",
    "TrainingError",
    "checkpoint",
    "config",
    "extend",
    "fit",
    "read_histories",
    "take",
    "write_histories",
    "write_history",
]
