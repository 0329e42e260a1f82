"""The trained models of all pipelines as functions of arrays. A new pipeline has its line in `MODELS`."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import jax.numpy as jnp

from hepjax.export.exportable import NOISE, Exportable, Field, range_of
from hepjax.pipelines import anomaly, calibration, caloflow, omnifold, posterior, squirels, unfolding
from hepjax.pipelines.anomaly import model as anomaly_model
from hepjax.pipelines.calibration import model as calibration_model
from hepjax.pipelines.caloflow import model as caloflow_model
from hepjax.pipelines.squirels import model as squirels_model
from hepjax.types import Geometry, Measured, State


class Model(NamedTuple):
    """A pipeline, and what its states are as functions."""

    pipeline: ModuleType
    exportable: Callable[[State], Exportable]


def refinement(state: State) -> Exportable:
    """`squirels.refine`."""
    spec, refine = state.spec, squirels_model.refinement(state.spec)

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
        (*NOISE, _incident_energy("as of the fast simulation"), _voxels(spec.geometry, "of the fast simulation")),
        (_voxels(spec.geometry, "refined"),),
        "Refines showers of a fast simulation (SQuIRELS, arXiv:2308.12339).",
        (before, *marginals, f"back to cells in MeV; {after}"),
    )


def generation(state: State) -> Exportable:
    """`caloflow.sample`."""
    draw, limits = caloflow_model.sampler(state.spec), range_of(state.constants.incident_range)

    def function(state, key, row, incident_energy):
        return (draw(key, state.constants, state.params, incident_energy, row),)

    return Exportable(
        function,
        (*NOISE, _incident_energy("to generate a shower of", limits)),
        (_voxels(state.spec.geometry, "generated"),),
        "Generates showers (CaloFlow, arXiv:2106.05285).",
        (
            "ln E to zero mean and unit width",
            "energies of layers from normal scores of their ratios, given ln E",
            "cells from normal scores given the energy of their layer, with their correlations",
            "zeros are exact and cells add up to the energies of their layers",
        ),
    )


def calibrated_energy(state: State) -> Exportable:
    """`calibration.calibrate`."""
    spec = state.spec

    def function(state, voxels):
        return tuple(calibration_model.calibrated(spec, state.constants, state.params, voxels))

    low, high = range_of(jnp.exp(state.constants.range))
    outputs = (
        Field("energy_mev", "MeV", "most likely incident energy"),
        Field("sigma_low_mev", "MeV", "from there down to where -2 ln(L / L_max) = 1"),
        Field("sigma_high_mev", "MeV", "from there up to where -2 ln(L / L_max) = 1"),
        Field("nll", "nats", "-ln p(features | energy) there"),
        Field("converged", "", "whether there is a maximum with both ends of its interval"),
        Field("in_range", "", f"whether the energy is one of those of the training, {low:.6g} to {high:.6g} MeV"),
    )
    return Exportable(
        function,
        (_voxels(spec.geometry, "of the shower"),),
        outputs,
        "Estimates energies of showers by maximum likelihood (arXiv:2404.18992).",
        (
            f"features of the shower: ln of the sum, {', '.join(spec.config.features)}",
            "zero mean and unit width given E",
        ),
    )


def anomaly_score(state: State) -> Exportable:
    """`anomaly.score` with its defaults."""
    flow = state.spec.showers

    def function(state, key, row, voxels):
        return tuple(anomaly.score_estimated(key, state, voxels, row))

    low, high = range_of(state.constants.showers.incident_range)
    outputs = (
        Field("score", "", "higher is less likely; its absolute value is the score of both sides"),
        Field("log_prob", "nats", "log-likelihood of the cells in MeV"),
        Field("energy_mev", "MeV", "calibrated incident energy, at which it was taken"),
        Field("converged", "", "whether the calibration found a maximum with both ends of its interval"),
        Field("in_range", "", f"whether that is one of the background's, {low:.6g} to {high:.6g} MeV"),
    )
    return Exportable(
        function,
        (*NOISE, _voxels(flow.geometry, "of the shower")),
        outputs,
        "Scores anomalous showers by their likelihood at the calibrated energy (arXiv:2312.11618).",
        (
            f"zeros and sums of layers are spread by noise, the mean over {state.spec.config.draws} draws",
            "normal scores of layers and cells, with log-determinants",
            "zero mean and unit width of the background's log-likelihoods given ln E",
        ),
    )


def unfolded_event(state: State) -> Exportable:
    """`unfolding.unfold` by a posterior."""
    spec = state.spec

    def function(state, key, row, reco):
        unfolded = posterior.unfolded(key, state, Measured(reco[None], jnp.ones(1), spec.reco_columns), row[None])
        return unfolded.gen[0], unfolded.weight[0]

    ratio = "" if state.params.prior is None else "w(gen) / E[w | reco] of the data's prior, times the "
    weight = f"{ratio}share that is signal over efficiency"
    reco = Field("reco", "", "detector level", (len(spec.reco_columns),), columns=spec.reco_columns)
    outputs = (
        Field("gen", "", "particle level, drawn from the posterior", columns=spec.gen_columns),
        Field("weight", "", f"factor to the event's weight: {weight}"),
    )
    prior = "prior of the simulation" if state.params.prior is None else "prior of the data, in the weight"
    return Exportable(
        function,
        (*NOISE, reco),
        outputs,
        f"Unfolds events by {spec.method}.",
        (f"{spec.config.coordinates} of detector level", prior, f"back from {spec.config.coordinates}"),
    )


def unfolding_weight(state: State) -> Exportable:
    """`omnifold.push`."""
    columns = state.spec.gen_columns
    return Exportable(
        lambda state, gen: (omnifold.push(state, gen),),
        (Field("gen", "", "particle level", (len(columns),), columns=columns),),
        (Field("weight", "", "factor from the generator's weight to the unfolded one"),),
        "Weights events of the simulation's generator to unfold data (OmniFold, arXiv:1911.09107).",
        ("zero mean and unit width of every column",),
    )


MODELS: dict[type, Model] = {
    squirels_model.Spec: Model(squirels, refinement),
    caloflow_model.Spec: Model(caloflow, generation),
    calibration_model.Spec: Model(calibration, calibrated_energy),
    anomaly_model.Spec: Model(anomaly, anomaly_score),
    posterior.Spec: Model(unfolding, unfolded_event),
    omnifold.Spec: Model(unfolding, unfolding_weight),
}
"""Class of a state's specification -> what to do with it."""


def _incident_energy(meaning: str, limits: tuple[float, float] | None = None) -> Field:
    return Field("incident_energy", "MeV", f"incident energy {meaning}", limits=limits)


def _voxels(geometry: Geometry, whose: str) -> Field:
    return Field("voxels", "MeV", f"cells {whose}, geometry {geometry.name}", (geometry.voxels,))
