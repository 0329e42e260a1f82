"""Nuisance parameters and the simulations made with other values of them, as a YAML file says.

    nuisances:
      - {name: jes, nominal: 1.0, low: 0.9, high: 1.1, centre: 1.0, sigma: 0.03}   # centre, sigma: if it was measured
    variations:
      - {simulation: jes_down.hdf5, values: {jes: 0.95}}
      - {simulation: jes_up.hdf5, values: {jes: 1.05}}

Addresses are relative to the working folder, as those of the command line.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from hepjax.pipelines.profile_omnifold.config import Nuisance
from hepjax.types import InputError


class Variations(NamedTuple):
    """What a file says. values: of every variation those of all nuisances, in their order; addresses: of its events."""

    nuisances: tuple[Nuisance, ...]
    values: tuple[tuple[float, ...], ...]
    addresses: tuple[str, ...]


def read(path: Path) -> Variations:
    """Read nuisance parameters and variations.

    A nuisance that a variation does not name has its nominal value there. Raises InputError, one line that names the
    file and the entry, for a file that is none, or an entry that is missing, unknown or of another type.
    """
    try:
        given = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({getattr(error, 'strerror', error)}), expected a YAML file"
        ) from error
    except yaml.YAMLError as error:
        raise InputError(
            f"{path}: no YAML ({str(error).splitlines()[0]}), expected nuisances and variations"
        ) from error
    given = _mapping(given, f"{path}", {"nuisances", "variations"})
    nuisances = tuple(_nuisance(one, f"{path}: {name}") for one, name in _entries(given, "nuisances", path))
    names = [nuisance.name for nuisance in nuisances]
    if len(set(names)) < len(names):
        raise InputError(f"{path}: nuisances are {', '.join(names)}, expected each once")
    variations = [_variation(one, f"{path}: {name}", nuisances) for one, name in _entries(given, "variations", path)]
    values, addresses = zip(*variations, strict=True)
    return Variations(nuisances, values, addresses)


def _entries(given: dict[str, Any], name: str, path: Path) -> list[tuple[Any, str]]:
    if not isinstance(given[name], list) or not given[name]:
        raise InputError(f"{path}: {name} is no list of entries, expected one or several")
    return [(one, f"entry {i} of {name}") for i, one in enumerate(given[name], 1)]


def _mapping(given: Any, where: str, needed: set[str], other: frozenset[str] = frozenset()) -> dict[str, Any]:
    """A mapping with these keys; raises InputError for others."""
    found = set(given) if isinstance(given, dict) else set()
    if not needed <= found or found - needed - other:
        has, expected = ", ".join(sorted(map(str, found))) or "no keys", ", ".join(sorted(needed))
        more = f" and at most {', '.join(sorted(other))}" if other else ""
        raise InputError(f"{where}: has {has}, expected {expected}{more}")
    return given


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise InputError(f"{where} is {value!r}, expected a number")
    return float(value)


def _nuisance(given: Any, where: str) -> Nuisance:
    fields = dataclasses.fields(Nuisance)
    needed = {field.name for field in fields if field.default is dataclasses.MISSING}
    given = _mapping(given, where, needed, frozenset(field.name for field in fields) - needed)
    if ("centre" in given) != ("sigma" in given):
        raise InputError(f"{where}: has one of centre and sigma, expected both, of a measurement, or none")
    numbers = {name: _number(value, f"{where}: {name}") for name, value in given.items() if name != "name"}
    return Nuisance(str(given["name"]), **numbers)


def _variation(given: Any, where: str, nuisances: tuple[Nuisance, ...]) -> tuple[tuple[float, ...], str]:
    given = _mapping(given, where, {"simulation", "values"})
    values, names = given["values"], [nuisance.name for nuisance in nuisances]
    if not isinstance(values, dict) or not set(values) <= set(names):
        raise InputError(f"{where}: values are {values!r}, expected those of {', '.join(names)}")
    theta = (_number(values.get(n.name, n.nominal), f"{where}: value of {n.name}") for n in nuisances)
    return tuple(theta), str(given["simulation"])
