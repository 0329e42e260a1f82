"""Checks of options that all pipelines share."""

from __future__ import annotations

from typing import Any

from hepjax.types import InputError


def at_least(config: Any, **least: int) -> None:
    """Raise InputError for the first field of a configuration that is below its least value."""
    for name, bound in least.items():
        if not getattr(config, name) >= bound:
            raise InputError(f"config: {name} is {getattr(config, name)}, expected at least {bound}")


def fraction(config: Any, *names: str, zero: bool = True) -> None:
    """Raise InputError for the first field that is no fraction below 1. zero: whether it may be 0."""
    for name in names:
        value = getattr(config, name)
        if not (0 <= value < 1 if zero else 0 < value < 1):
            expected = "at least 0 and less than 1" if zero else "between 0 and 1"
            raise InputError(f"config: {name} is {value}, expected {expected}")


def positive(config: Any, *names: str) -> None:
    """Raise InputError for the first field of a configuration that is not above zero."""
    for name in names:
        if not getattr(config, name) > 0:
            raise InputError(f"config: {name} is {getattr(config, name)}, expected a positive number")


def layers(config: Any, name: str) -> None:
    """Raise InputError unless a field of a configuration is the sizes of hidden layers."""
    sizes = getattr(config, name)
    if not sizes or min(sizes) < 1:
        raise InputError(f"config: {name} is {sizes}, expected one or several layers of at least 1 unit")
