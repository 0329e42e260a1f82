"""Checks of options that all pipelines share."""

from __future__ import annotations

from typing import Any

from hepjax.types import InputError


def at_least(config: Any, **least: int) -> None:
    """Raise InputError for the first field of a configuration that is below its least value."""
    for name, bound in least.items():
        if not getattr(config, name) >= bound:
            raise InputError(f"config: {name} is {getattr(config, name)}, expected at least {bound}")


def layers(config: Any, name: str) -> None:
    """Raise InputError unless a field of a configuration is the sizes of hidden layers."""
    sizes = getattr(config, name)
    if not sizes or min(sizes) < 1:
        raise InputError(f"config: {name} is {sizes}, expected one or several layers of at least 1 unit")
