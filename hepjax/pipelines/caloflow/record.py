"""CaloFlow as the program knows it: `hepjax caloflow fit` and `hepjax caloflow sample`, from files to files."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import jax

from hepjax import data
from hepjax.pipelines.caloflow import model, verbs
from hepjax.pipelines.caloflow.options import CaloflowFit, CaloflowSample
from hepjax.pipelines.exportable import NOISE, Exportable, incident_energy, range_of, voxels
from hepjax.pipelines.pipeline import Apply, Fit, Given, Pipeline, Source, Work
from hepjax.pipelines.showers import energies, stored
from hepjax.provenance import provenance
from hepjax.types import State


@contextlib.contextmanager
def given(options: CaloflowFit) -> Iterator[Given]:
    """Read the showers, or open them where they are too many."""
    copies = functools.partial(verbs.in_memory, options.config)
    with stored.opened(options.showers, options.memory_gib, copies) as showers:
        yield Given((showers, options.config))


def incident_energies(options: CaloflowSample, state: State) -> contextlib.AbstractContextManager[Source]:
    """Open the incident energies to generate showers at."""
    return data.showers.opened_energies(options.energies)


def sample(options: CaloflowSample, state: State, given: data.showers.Values) -> Work:
    """Generate one shower for each incident energy, into an HDF5 file of showers."""
    key = jax.random.key(options.seed)
    made = {"method": "CaloFlow", "energies": options.energies, "model": str(options.model), **provenance()}
    energies.require_stored(given, model.known_energies(state), options.extrapolate)
    return Work(
        lambda given, rows: verbs.sample(key, state, given, rows=rows, extrapolate=True),
        lambda path, generated: data.showers.write(path, generated, made),
        state.spec.geometry.voxels,
    )


def exportable(state: State) -> Exportable:
    """`caloflow.sample` as a function of one incident energy."""
    draw, limits = model.sampler(state.spec), range_of(state.constants.incident_range)

    def function(state, key, row, incident_energy):
        return (draw(key, state.constants, state.params, incident_energy, row),)

    return Exportable(
        function,
        (*NOISE, incident_energy("to generate a shower of", limits)),
        (voxels(state.spec.geometry, "generated"),),
        "Generates showers (CaloFlow, arXiv:2106.05285).",
        (
            "ln E to zero mean and unit width",
            "energies of layers from normal scores of their ratios, given ln E",
            "cells from normal scores given the energy of their layer, with their correlations",
            "zeros are exact and cells add up to the energies of their layers",
        ),
    )


PIPELINE = Pipeline(
    fit=verbs.fit,
    load=verbs.load,
    verbs={CaloflowFit: Fit(given), CaloflowSample: Apply(incident_energies, sample)},
    exportable={model.Spec: exportable},
)
