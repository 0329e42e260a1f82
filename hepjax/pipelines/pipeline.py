"""The record that the rest of the program knows a pipeline by.

A pipeline is a folder. Its `options` are dataclasses of what its verbs are asked for, which import no jax; its `record`
holds a `Pipeline`: how to fit from files, how to apply a fitted model to events, and how to load one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from hepjax.data import hdf5
from hepjax.pipelines.exportable import Exportable
from hepjax.types import Geometry, Showers, State


@runtime_checkable
class Source(Protocol):
    """Events: a record of arrays, or of the data sets of an open file."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


class Work(NamedTuple):
    """What to do with events.

    apply: (events, their rows (n,)) -> what comes of them, a tree of arrays (n, ...). write: (path, that) -> None, a
    part file. width: values of an event there. finish: (path, parts, events in all) -> None, the file of all parts.
    say: path of the file -> what to tell the user, or nothing.
    """

    apply: Callable[[Any, np.ndarray], Any]
    write: Callable[[Path, Any], None]
    width: int
    finish: Callable[[Path, Sequence[Path], int], None] = hdf5.join
    say: Callable[[Path], str] = lambda path: ""


class Given(NamedTuple):
    """The data that a fit is given, after its key."""

    arguments: tuple[Any, ...]
    more: Mapping[str, Any] = {}


class Fit(NamedTuple):
    """A verb that fits.

    given: options -> the data they name, open in a block. say: state -> what to tell the user, or nothing.
    """

    given: Callable[[Any], AbstractContextManager[Given]]
    say: Callable[[State], str] = lambda state: ""


class Apply(NamedTuple):
    """A verb that applies a fitted model.

    events: (options, state) -> the events they name, open in a block. work: (options, state, events) -> what to do.
    """

    events: Callable[[Any, State], AbstractContextManager[Source]]
    work: Callable[[Any, State, Any], Work]


class Generator(NamedTuple):
    """What generates showers by a pipeline.

    name: of the method. config, spec: classes of its configuration and of its states' specification. sample: (key,
    state, incident energies (n,) in MeV, *, rows, extrapolate) -> Showers. known_energies, trained_energies: state ->
    the least and greatest energy that it may be asked for, and those of its training, in MeV. in_memory: (config,
    geometry) -> how many showers a fit makes of each.
    """

    name: str
    config: type
    spec: type
    sample: Callable[..., Showers]
    known_energies: Callable[[State], tuple[float, float]]
    trained_energies: Callable[[State], tuple[float, float]]
    in_memory: Callable[[Any, Geometry], int]


class Pipeline(NamedTuple):
    """A pipeline.

    fit: (key, *arguments, folder, resume) -> State, which leaves checkpoints and history.csv in the folder.
    load: path -> State. verbs: class of options -> what to do. summary: state -> what metrics.json should hold beside
    the numbers of every fit. exportable: class of a specification -> (state -> the model as a function of arrays).
    """

    fit: Callable[..., State]
    load: Callable[[str | os.PathLike[str]], State]
    verbs: Mapping[type, Fit | Apply]
    exportable: Mapping[type, Callable[[State], Exportable]] = {}
    summary: Callable[[State], Mapping[str, Any]] = lambda state: {}
    generator: Generator | None = None
