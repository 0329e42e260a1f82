"""`hepjax export`: its options."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Export:
    """Export a trained model as a function of arrays, which JAX runs on CPU and CUDA without hepjax.

    The folder holds model.bin (`jax.export`, for any number of events), record.json with the names, shapes and units of
    what goes in and comes out, and load.py, which needs jax and flatbuffers alone.
    """

    model: Path
    """Run folder of a fit, of any pipeline."""
    out: Path
    """Folder to write."""
    overwrite: bool = False
    """Replace an older export."""

    def run(self) -> None:
        from hepjax import commands

        commands.export_model(self)
