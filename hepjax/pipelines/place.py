"""Where the fits of a pipeline keep their checkpoints: a folder each, below that of the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple


class Place(NamedTuple):
    """The folder of a run, or None to keep nothing, and whether to go on from what is there."""

    folder: Path | None = None
    resume: bool = False

    @classmethod
    def of(cls, folder: str | os.PathLike[str] | None, resume: bool) -> Place:
        """The place of a fit, from the arguments of a pipeline."""
        return cls(None if folder is None else Path(folder), resume)

    def at(self, name: str) -> dict[str, Any]:
        """The arguments of `training.fit` for the fit of this name."""
        return {"folder": None if self.folder is None else self.folder / name, "resume": self.resume, "name": name}
