"""Trained models without hepjax: `jax.export` artefacts with a record of what goes in and comes out.

state = export.read(folder)            # of any pipeline
export.write(out, state)               # model.bin, record.json, load.py
function = export.load(out)            # as out/load.py does, which needs jax and flatbuffers alone
"""

from hepjax.export.artefact import read, write
from hepjax.export.exportable import Exportable, Field
from hepjax.export.loader import load
from hepjax.export.models import MODELS, Model

__all__ = ["MODELS", "Exportable", "Field", "Model", "load", "read", "write"]
