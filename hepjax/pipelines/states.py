"""Reading of fitted states, the same for all pipelines."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from hepjax.training import checkpoint
from hepjax.types import InputError, State


def load(path: str | os.PathLike[str], untrained: Mapping[type, Callable[[Any], State]], expected: str) -> State:
    """Read a fitted state of one of several kinds.

    untrained: class of a specification -> function from it to a state of the right shapes. expected: in words, for the
    error. Raises InputError where there is no state, or a damaged one, or that of another model.
    """

    def build(spec: Any) -> State:
        if type(spec) not in untrained:
            raise InputError(f"{path}: holds another model, expected {expected}")
        return untrained[type(spec)](spec)

    return checkpoint.load(path, build)
