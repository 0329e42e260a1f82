"""Options that commands of all pipelines share."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """Options of every command that fits."""

    out: Path
    """Run folder to write."""
    seed: int = 0
    """Seed of all random numbers."""
    overwrite: bool = False
    """Replace an older run folder."""
    resume: bool = False
    """Continue a run that was stopped, to the very numbers of an unbroken one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Apply:
    """Options of every command that applies a fitted model."""

    model: Path
    """Run folder of the fit."""
    out: Path
    """HDF5 file to write."""
    overwrite: bool = False
    """Replace an older file."""
