"""Trained models without hepjax: as `jax.export` artefacts or ONNX, with a record of what goes in and comes out.

state = export.read(folder)            # of any pipeline
export.write(out, state)               # model.bin, record.json, load.py
function = export.load(out)            # as out/load.py does, which needs jax and flatbuffers alone

export.write(out, state, "onnx")       # model.onnx, record.json, load_onnx.py
function = export.load_onnx(out)       # as out/load_onnx.py does, which needs numpy and onnxruntime alone
noise = export.noise(state, key, rows) # its noise, with which it gives the numbers of the live model
"""

from hepjax.export.artefact import FORMATS, noise, read, write
from hepjax.export.loader import load
from hepjax.export.onnx_loader import load as load_onnx
from hepjax.pipelines.exportable import Exportable, Field

__all__ = ["FORMATS", "Exportable", "Field", "load", "load_onnx", "noise", "read", "write"]
