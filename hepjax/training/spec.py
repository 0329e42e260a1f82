"""Specifications as JSON: nested frozen dataclasses of plain values. No jax here."""

from __future__ import annotations

import dataclasses
from typing import Any

from hepjax import tags

KIND = "kind"
CHECKPOINT = "checkpoint"
"""The folder of a run that holds its fitted model."""


def encode(spec: Any) -> Any:
    """JSON of a specification: a dataclass becomes an object that names its class by its tag under `kind`.

    Raises:
        TypeError: a value is neither a dataclass, a tuple, a number, a string, a bool nor None.
    """
    if dataclasses.is_dataclass(spec) and not isinstance(spec, type):
        fields = {field.name: encode(getattr(spec, field.name)) for field in dataclasses.fields(spec)}
        return {KIND: tags.tag(type(spec)), **fields}
    if isinstance(spec, tuple):
        return [encode(value) for value in spec]
    if spec is None or type(spec) in (bool, int, float, str):
        return spec
    raise TypeError(f"a specification holds {spec!r}; expected dataclasses, tuples and plain values")


def decode(json: Any) -> Any:
    """The specification of a JSON; lists become tuples.

    Nothing is imported for a file's sake, so that a file cannot run code: the module of a class is imported before.

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


def renamed(json: Any) -> Any:
    """A JSON of today's version or an older one, with the names that today's has for the classes."""
    if isinstance(json, list):
        return [renamed(value) for value in json]
    if not isinstance(json, dict):
        return json
    found = tags.find(str(json[KIND])) if KIND in json else None
    return {name: renamed(value) for name, value in json.items()} | ({KIND: tags.tag(found)} if found else {})


def _dataclass(kind: Any) -> Any:
    found = tags.find(str(kind))
    if not dataclasses.is_dataclass(found):
        raise ValueError(f"specification {kind} is unknown; its module has to be imported first")
    return found
