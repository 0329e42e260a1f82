"""Names of classes in files: a class keeps its tag when it moves to another module."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=type)

_CLASSES: dict[str, type] = {}
_TAGS: dict[type, str] = {}


def tagged(tag: str, former: str = "") -> Callable[[T], T]:
    """Give a class the name that files know it by.

    Args:
        tag: the name, such as `caloflow/spec`.
        former: an older name, `module:class`, that files may still hold.

    Raises:
        ValueError: another class has the name.
    """

    def register(cls: T) -> T:
        for name in filter(None, (tag, former)):
            other = _CLASSES.setdefault(name, cls)
            if _path(other) != _path(cls):
                raise ValueError(f"{name} is the tag of {_path(other)}, expected another one for {_path(cls)}")
            _CLASSES[name] = cls
        _TAGS[cls] = tag
        return cls

    return register


def tag(cls: type) -> str:
    """Return the name of a class in files: its tag, or `module:class` of one that has none."""
    return _TAGS.get(cls, _path(cls))


def find(name: str) -> type | None:
    """Return the class that a name in a file belongs to, or None.

    Only modules that are already imported are looked at, so that a file cannot run code.
    """
    if name in _CLASSES:
        return _CLASSES[name]
    module, _, path = name.partition(":")
    found = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _path(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"
