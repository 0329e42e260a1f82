"""`hepjax showers`: the options of all generators of showers."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from tyro.conf import arg

from hepjax.pipelines import options, table


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShowersFit(options.FitLarge):
    """Train a generator of showers, by one of several methods; `--method NAME --help` shows the options of one.

    Addresses are file.hdf5:group/path; without a group the file's root holds incident_energies and showers.
    """

    showers: str = dataclasses.field(metadata=options.READ)
    """Address of the showers to learn."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ShowersSample(options.Apply):
    """Generate one shower for each incident energy."""

    energies: str = dataclasses.field(metadata=options.READ)
    """Address of the incident energies; showers there are not read."""
    seed: int = 0
    """Seed of the noise."""
    extrapolate: bool = False
    """Accept incident energies far from those of the training, which are refused otherwise."""


def methods() -> dict[str, Any]:
    """Return the configuration that each method starts from, by its name."""
    return {method: config for name in table.GENERATORS for method, config in table.config(name).METHODS.items()}


def fit_of(words: Sequence[str]) -> type[ShowersFit]:
    """Return the options of the method that a command line asks for, with its own configuration."""
    known = methods()
    asked = next((b for a, b in itertools.pairwise(words) if a == "--method"), None)
    asked = next((word.partition("=")[2] for word in words if word.startswith("--method=")), asked)
    return _fit_of(asked if asked in known else next(iter(known)))


def _fit_of(method: str) -> type[ShowersFit]:
    config = methods()[method]
    which = Annotated[Literal[tuple(methods())], arg(help="How to generate showers.")]
    how = Annotated[type(config), arg(help=f"How to train {method}.")]
    fields = [
        ("method", which, dataclasses.field(default=method)),
        ("config", how, dataclasses.field(default=config)),
    ]
    kind = dataclasses.make_dataclass("ShowersFit", fields, bases=(ShowersFit,), frozen=True, kw_only=True)
    kind.__doc__ = ShowersFit.__doc__
    return kind


COMMAND = "showers"
HELP = "Generate calorimeter showers: fit a generator by one of several methods, and sample from it."
VERBS = {"fit": options.Verb(ShowersFit, fit_of), "sample": options.Verb(ShowersSample)}
