"""What `hepjax export` does: files in, files out."""

from __future__ import annotations

from hepjax import data, export
from hepjax.app.options import Export


def write(options: Export) -> None:
    """`hepjax export`: a folder with the model, record.json and a loader."""
    state = export.read(options.model)
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        export.write(folder, state, options.format)
