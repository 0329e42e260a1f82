"""Specifications as JSON: nested frozen dataclasses of plain values. No jax here."""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

KIND = "kind"


def encode(spec: Any) -> Any:
    """JSON of a specification: a dataclass becomes an object that names its class under `kind`.

    Raises:
        TypeError: a value is neither a dataclass, a tuple, a number, a string, a bool nor None.
    """
    if dataclasses.is_dataclass(spec) and not isinstance(spec, type):
        fields = {field.name: encode(getattr(spec, field.name)) for field in dataclasses.fields(spec)}
        return {KIND: f"{type(spec).__module__}:{type(spec).__qualname__}", **fields}
    if isinstance(spec, tuple):
        return [encode(value) for value in spec]
    if spec is None or type(spec) in (bool, int, float, str):
        return spec
    raise TypeError(f"a specification holds {spec!r}; expected dataclasses, tuples and plain values")


def decode(json: Any) -> Any:
    """The specification of a JSON; lists become tuples.

    A class is looked up among the modules already imported and nothing is imported for a file's sake, so that a file
    cannot run code.

    Raises:
        ValueError: a class is unknown or its fields differ.
    """
    if isinstance(json, list):
        return tuple(decode(value) for value in json)
    if not isinstance(json, dict):
        return json
    fields = {name: decode(value) for name, value in json.items() if name != KIND}
    try:
        return _dataclass(json.get(KIND))(**fields)
    except TypeError as error:
        raise ValueError(f"{json.get(KIND)} has other fields than {sorted(fields)}") from error


def _dataclass(kind: Any) -> type:
    module, _, name = str(kind).partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise ValueError(f"specification {kind} is unknown; its module has to be imported first")
    return found
