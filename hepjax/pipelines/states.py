"""Writing and reading of fitted states, the same for all pipelines."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from hepjax.training import checkpoint
from hepjax.types import InputError, State

Load = Callable[[str | os.PathLike[str]], State]


def save(path: str | os.PathLike[str], state: State) -> None:
    """Write a fitted state as a folder, whole or not at all. Raises InputError where it cannot be written."""
    checkpoint.save(path, state)


def loader(untrained: Mapping[type, Callable[[Any], State]], expected: str) -> Load:
    """Make the function that reads fitted states of one or several kinds.

    Args:
        untrained: class of a specification -> function from it to a state of the right shapes.
        expected: the kinds in words, for the error.
    """

    def load(path: str | os.PathLike[str]) -> State:
        """Read a fitted state from its folder, or from the run folder of a command.

        Raises InputError where there is none, or a damaged one, or that of another model.
        """
        if checkpoint.read_class(path) not in untrained:
            # The module of another pipeline may not be imported here: its tag is caloflow/spec, and once was a module's
            # name, hepjax.pipelines.caloflow_model:Spec.
            module = re.split("[:/]", checkpoint.read_kind(path) or "")[0].rpartition(".")[2].removesuffix("_model")
            raise InputError(f"{path}: holds another model{f' ({module})' if module else ''}, expected {expected}")
        return checkpoint.load(path, lambda spec: untrained[type(spec)](spec))

    return load
