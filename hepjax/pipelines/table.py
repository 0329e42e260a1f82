"""The table of pipelines. A new one has its line here. Nothing here imports jax."""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hepjax.pipelines.pipeline import Pipeline

GENERATORS = ("caloflow",)
"""Folders of pipelines that generate showers, by `hepjax showers`."""
NAMES = (
    "squirels",
    "showers",
    *GENERATORS,
    "calibration",
    "anomaly",
    "unfolding",
)
"""Folders of `hepjax.pipelines`, in the order of the command line's help."""


def options(name: str) -> ModuleType:
    """Return the options of a pipeline's verbs: a module with COMMAND, its name on the command line, and VERBS."""
    return importlib.import_module(f"hepjax.pipelines.{name}.options")


def config(name: str) -> ModuleType:
    """Return the configuration of a pipeline: of a generator, a module with METHODS, the configuration of each."""
    return importlib.import_module(f"hepjax.pipelines.{name}.config")


def pipeline(name: str) -> Pipeline:
    """Return the record of a pipeline, imported on the first call."""
    return importlib.import_module(f"hepjax.pipelines.{name}.record").PIPELINE


def pipelines() -> dict[str, Pipeline]:
    """Return the records of all pipelines, by name."""
    return {name: pipeline(name) for name in NAMES}


def of_options(kind: type) -> str | None:
    """Return the name of the pipeline that has a verb with these options."""
    classes = {verb.kind: name for name in NAMES for verb in options(name).VERBS.values()}
    return next((classes[one] for one in kind.__mro__ if one in classes), None)
