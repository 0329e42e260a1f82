"""Generators of showers as the program knows them: `hepjax showers fit` and `hepjax showers sample`."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
from typing import Any

import jax

from hepjax import data
from hepjax.pipelines import table
from hepjax.pipelines.pipeline import Apply, Fit, Generator, Given, Pipeline, Source, Work
from hepjax.pipelines.showers import energies, stored
from hepjax.pipelines.showers.options import ShowersFit, ShowersSample
from hepjax.provenance import provenance
from hepjax.training import checkpoint
from hepjax.types import InputError, PRNGKey, State


def generators() -> dict[str, tuple[Pipeline, Generator]]:
    """Return the pipelines that generate showers, by name."""
    found = {name: table.pipeline(name) for name in table.GENERATORS}
    return {name: (pipeline, pipeline.generator) for name, pipeline in found.items() if pipeline.generator is not None}


def of_config(config: Any) -> tuple[Pipeline, Generator]:
    """Return the pipeline that is fitted with such a configuration."""
    return next(found for found in generators().values() if isinstance(config, found[1].config))


def of_state(state: State) -> Generator:
    """Return what generates showers with a fitted state."""
    return next(generator for _, generator in generators().values() if isinstance(state.spec, generator.spec))


def fit(key: PRNGKey, showers: Any, config: Any, **place: Any) -> State:
    """Fit the generator that a configuration belongs to."""
    return of_config(config)[0].fit(key, showers, config, **place)


def load(path: str | os.PathLike[str]) -> State:
    """Read a fitted generator, whichever it is. Raises InputError where there is none, or that of another pipeline."""
    found = generators()
    pipelines = {generator.spec: pipeline for pipeline, generator in found.values()}
    kind = checkpoint.read_class(path)
    if kind not in pipelines:
        raise InputError(f"{path}: holds another model, expected one that generates showers: {', '.join(found)}")
    return pipelines[kind].load(path)


@contextlib.contextmanager
def given(options: Any) -> Iterator[Given]:
    """Read the showers, or open them where they are too many."""
    copies = functools.partial(of_config(options.config)[1].in_memory, options.config)
    with stored.opened(options.showers, options.memory_gib, copies) as showers:
        yield Given((showers, options.config))


def incident_energies(options: ShowersSample, state: State) -> contextlib.AbstractContextManager[Source]:
    """Open the incident energies to generate showers at."""
    return data.showers.opened_energies(options.energies)


def sample(options: ShowersSample, state: State, given: data.showers.Values) -> Work:
    """Generate one shower for each incident energy, into an HDF5 file of showers."""
    key, generator = jax.random.key(options.seed), of_state(state)
    made = {"method": generator.name, "energies": options.energies, "model": str(options.model), **provenance()}
    energies.require_stored(given, generator.known_energies(state), options.extrapolate)
    return Work(
        lambda given, rows: generator.sample(key, state, given, rows=rows, extrapolate=True),
        lambda path, generated: data.showers.write(path, generated, made),
        state.spec.geometry.voxels,
    )


PIPELINE = Pipeline(
    fit=fit,
    load=load,
    verbs={ShowersFit: Fit(given), ShowersSample: Apply(incident_energies, sample)},
)
