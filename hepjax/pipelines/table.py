"""The table of pipelines. A new one has its line here. Nothing here imports jax."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hepjax.pipelines.pipeline import Pipeline

NAMES = (
    "squirels",
    "caloflow",
    "calibration",
    "anomaly",
    "unfolding",
)
"""Folders of `hepjax.pipelines`, in the order of the command line's help."""


def options(name: str) -> ModuleType:
    """Return the options of a pipeline's verbs: a module with COMMAND, its name on the command line, and VERBS."""
    return importlib.import_module(f"hepjax.pipelines.{name}.options")


def pipeline(name: str) -> Pipeline:
    """Return the record of a pipeline, imported on the first call."""
    return importlib.import_module(f"hepjax.pipelines.{name}.record").PIPELINE


@functools.cache
def pipelines() -> dict[str, Pipeline]:
    """Return the records of all pipelines, by name."""
    return {name: pipeline(name) for name in NAMES}


def of_options(kind: type) -> str | None:
    """Return the name of the pipeline that has a verb with these options."""
    return next((name for name in NAMES if kind in options(name).VERBS.values()), None)
