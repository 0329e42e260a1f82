from . import config, options, record, verbs
from .config import METHODS, Config
from .verbs import (
    clipped,
    closure,
    fit,
    load,
    method,
    nuisances,
    reco_columns,
    save,
    summary,
    unfold,
    weights_simulation,
)

__all__ = [
    "METHODS",
    "Config",
    "clipped",
    "closure",
    "config",
    "fit",
    "load",
    "method",
    "nuisances",
    "options",
    "reco_columns",
    "record",
    "save",
    "summary",
    "unfold",
    "verbs",
    "weights_simulation",
]
