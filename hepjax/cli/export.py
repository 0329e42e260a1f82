"""`hepjax export`: its options."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Export a trained model as a function of arrays, which runs without hepjax.

    The folder holds the model, for any number of events, and record.json with the names, shapes and units of what goes
    in and comes out. Format jax: model.bin (`jax.export`) for CPU and CUDA, and load.py, which needs jax and
    flatbuffers alone. Format onnx (extra `onnx`): model.onnx, whose noise is an input, and load_onnx.py, which needs
    numpy and onnxruntime alone.
    """

    model: Path
    """Run folder of a fit, of any pipeline."""
    out: Path
    """Folder to write."""
    format: Literal["jax", "onnx"] = "jax"
    """Of the model; onnx for models of a fixed number of steps, which not all are."""
    overwrite: bool = False
    """Replace an older export."""

    def run(self) -> None:
        from hepjax.commands import export

        export.write(self)
