"""`hepjax generate`: its options."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from tyro.conf import Positional


@dataclasses.dataclass(frozen=True, kw_only=True)
class Generate:
    """Make Z + jets by Pythia 8, with their detector level: files to unfold (extra `generators`)."""

    sample: Positional[Literal["zjets"]]
    """What to make."""
    out: Path
    """HDF5 file to write."""
    events: int = 10_000
    """Pairs of jets to make."""
    shower: Literal["pythia", "vincia"] = "pythia"
    """Parton shower."""
    seed: int = 0
    """Seed of all random numbers."""
    overwrite: bool = False
    """Replace an older file."""

    def run(self) -> None:
        from hepjax.commands import generate

        generate.zjets(self)
