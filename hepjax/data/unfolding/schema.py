"""The metadata that unfolded events are published with: a versioned schema, as one mapping that JSON can hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from hepjax import __version__
from hepjax.types import Column, InputError, Unfolded

NAME, VERSION = "hepjax.unfolded", 1

REQUIRED = {
    "method": (str, "a text"),
    "selection": (str, "a text"),
    "seed": (int | None, "an integer or None"),
}
"""What the writer must be told, its type, and that in words: how the events were made, the particle-level phase space
that they are in, and the seed (None of a method without chance)."""

OPTIONAL = {
    "replicas_kind": (str, "a text"),
    "systematics": (list, "a list"),
    "software": (dict, "a mapping"),
}
"""What has a fixed meaning where it is told: what replicas vary (required where there are some), the systematic
uncertainties that the weights contain, the versions of packages. Other keys are kept as they are."""

DERIVED = ("observables", "events", "events_sha256", "replicas", "systematics", "software")
"""What the writer adds: see `complete`."""


def complete(metadata: Mapping[str, Any], unfolded: Unfolded, where: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata with schema, observables with units, numbers of events and replicas, and the hash of the events.

    Raises InputError, named by `where`, for what is missing, of another type, or nothing that JSON can hold.
    """
    metadata = _plain(metadata, where)
    replicas = 0 if unfolded.replicas is None else len(unfolded.replicas)
    required = [*REQUIRED, "replicas_kind"] if replicas else REQUIRED
    for key, (kind, words) in (REQUIRED | OPTIONAL).items():
        if key in required and key not in metadata:
            raise InputError(f"{where}: metadata {key} is missing, expected {words}")
        if key in metadata and not isinstance(metadata[key], kind):
            raise InputError(f"{where}: metadata {key} is {metadata[key]!r}, expected {words}")
    derived = {
        "schema": NAME,
        "schema_version": VERSION,
        "observables": [{"name": c.name, "unit": c.unit} for c in unfolded.columns],
        "events": len(unfolded),
        "events_sha256": fingerprint(unfolded.gen),
        "replicas": replicas,
        "systematics": metadata.get("systematics", []),
        "software": {"hepjax": __version__, **metadata.get("software", {})},
    }
    return metadata | derived


def fingerprint(gen: Any) -> str:
    """SHA-256 of particle-level events (n, d), as rows of little-endian float32: weights alone refer to them by it.

    >>> fingerprint([[1.0, 2.0]]) == fingerprint(np.array([[1.0, 2.0]]))
    True
    """
    return hashlib.sha256(np.ascontiguousarray(gen, "<f4").tobytes()).hexdigest()


def require_known(metadata: Mapping[str, Any], where: str | os.PathLike[str]) -> None:
    """Raise InputError unless metadata that were read are of this schema, in the version that is known, and whole."""
    name, version = metadata.get("schema"), metadata.get("schema_version")
    if name != NAME:
        raise InputError(f"{where}: schema {name or 'without name'}, expected {NAME}, which hepjax writes")
    if version != VERSION:
        raise InputError(f"{where}: version {version} of schema {NAME}, expected {VERSION}; another hepjax wrote it")
    missing = [key for key in (*REQUIRED, *DERIVED) if key not in metadata]
    if missing:
        raise InputError(f"{where}: metadata {', '.join(missing)} missing, expected all of schema {NAME} {VERSION}")


def columns_of(metadata: Mapping[str, Any]) -> tuple[Column, ...]:
    """The observables that the metadata lists."""
    return tuple(Column(o["name"], o["unit"]) for o in metadata["observables"])


def _plain(metadata: Mapping[str, Any], where: str | os.PathLike[str]) -> dict[str, Any]:
    """The metadata as JSON gives it back: NumPy's numbers plain, tuples as lists."""
    try:
        return json.loads(json.dumps(metadata, default=_number, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: metadata cannot be written ({error}), expected what JSON can hold") from error


def _number(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r}")
