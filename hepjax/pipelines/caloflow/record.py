"""CaloFlow as the program knows it: a generator of `hepjax showers`."""

from __future__ import annotations

from hepjax.pipelines.caloflow import model, verbs
from hepjax.pipelines.caloflow.config import Config
from hepjax.pipelines.caloflow.options import CaloflowFit, CaloflowSample
from hepjax.pipelines.exportable import NOISE, Exportable, incident_energy, range_of, voxels
from hepjax.pipelines.pipeline import Generator, Pipeline
from hepjax.pipelines.showers import record
from hepjax.pipelines.showers.options import ShowersFit, ShowersSample
from hepjax.types import State


def trained_energies(state: State) -> tuple[float, float]:
    """The least and greatest incident energy of the training, in MeV."""
    return range_of(state.constants.incident_range)


def exportable(state: State) -> Exportable:
    """`caloflow.sample` as a function of one incident energy."""
    draw, limits = model.sampler(state.spec), trained_energies(state)

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
    verbs={CaloflowFit: record.PIPELINE.verbs[ShowersFit], CaloflowSample: record.PIPELINE.verbs[ShowersSample]},
    exportable={model.Spec: exportable},
    generator=Generator(
        name="CaloFlow",
        config=Config,
        spec=model.Spec,
        sample=verbs.sample,
        known_energies=model.known_energies,
        trained_energies=trained_energies,
        in_memory=verbs.in_memory,
    ),
)
