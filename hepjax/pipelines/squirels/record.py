"""SQuIRELS as the program knows it: `hepjax squirels fit` and `hepjax squirels refine`, from files to files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax

from hepjax import data, devices
from hepjax.pipelines.exportable import NOISE, Exportable, incident_energy, voxels
from hepjax.pipelines.pipeline import Apply, Fit, Given, Pipeline, Source, Work
from hepjax.pipelines.showers import energies
from hepjax.pipelines.squirels import model, verbs
from hepjax.pipelines.squirels.options import SquirelsFit, SquirelsRefine
from hepjax.provenance import provenance
from hepjax.types import State


@contextlib.contextmanager
def given(options: SquirelsFit) -> Iterator[Given]:
    """Read both samples."""
    with devices.together():
        full = data.showers.read(options.full)
        fast = data.showers.read(options.fast, geometry=full.geometry)
    yield Given((fast, full, options.config))


def fast(options: SquirelsRefine, state: State) -> contextlib.AbstractContextManager[Source]:
    """Open the showers to refine."""
    return data.showers.opened(options.fast, state.spec.geometry)


def refine(options: SquirelsRefine, state: State, showers: data.showers.Stored) -> Work:
    """Refine showers at their incident energies, into an HDF5 file of showers."""
    key = jax.random.key(options.seed)
    made = {"method": "SQuIRELS", "fast": options.fast, "model": str(options.model), **provenance()}
    energies.require_stored(showers.energies, model.known_energies(state), options.extrapolate)
    return Work(
        lambda showers, rows: verbs.refine(key, state, showers, rows=rows, extrapolate=True),
        lambda path, refined: data.showers.write(path, refined, made),
        state.spec.geometry.voxels,
    )


def exportable(state: State) -> Exportable:
    """`squirels.refine` as a function of one shower's arrays."""
    spec, refine = state.spec, model.refinement(state.spec)

    def function(state, key, row, incident_energy, voxels):
        return (refine(key, state.constants, state.params, incident_energy, voxels, row),)

    if spec.config.coordinates == "zscore":
        before, after = "z-scores of sum/E and of cells over their sum", "cells below threshold_mev become zero"
    else:
        before = "normal scores, given ln E, of sum/E and of the cells; zeros are spread by noise"
        after = "zeros are exact and cells add up to the refined sum"
    marginals = ("normal scores of both bridges' results, given ln E",) if spec.recalibrated else ()
    return Exportable(
        function,
        (*NOISE, incident_energy("as of the fast simulation"), voxels(spec.geometry, "of the fast simulation")),
        (voxels(spec.geometry, "refined"),),
        "Refines showers of a fast simulation (SQuIRELS, arXiv:2308.12339).",
        (before, *marginals, f"back to cells in MeV; {after}"),
    )


PIPELINE = Pipeline(
    fit=verbs.fit,
    load=verbs.load,
    verbs={SquirelsFit: Fit(given), SquirelsRefine: Apply(fast, refine)},
    exportable={model.Spec: exportable},
)
