"""Anomaly scores as the program knows them: `hepjax anomaly fit` and `hepjax anomaly score`, from files to files."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import jax

from hepjax import data
from hepjax.pipelines import caloflow
from hepjax.pipelines.anomaly import model, verbs
from hepjax.pipelines.anomaly.options import AnomalyFit, AnomalyScore
from hepjax.pipelines.exportable import NOISE, Exportable, Field, range_of, voxels
from hepjax.pipelines.pipeline import Apply, Fit, Given, Pipeline, Source, Work
from hepjax.pipelines.showers import energies, stored
from hepjax.provenance import provenance
from hepjax.types import InputError, State

UNITS = {"energy_mev": "MeV", "log_prob": "nats"}


@contextlib.contextmanager
def given(options: AnomalyFit) -> Iterator[Given]:
    """Read the background's showers, or open them where they are too many."""
    copies = functools.partial(caloflow.in_memory, options.config.showers)
    with stored.opened(options.background, options.memory_gib, copies) as background:
        yield Given((background, options.config))


def showers(options: AnomalyScore, state: State) -> contextlib.AbstractContextManager[Source]:
    """Open the showers to score, with their incident energies where these are known."""
    if options.known_energy and options.energy == "maximised":
        raise InputError("options known-energy and energy maximised exclude each other, expected one of them")
    opened = data.showers.opened if options.known_energy else data.showers.opened_voxels
    return opened(options.showers, state.spec.showers.geometry)


def score(options: AnomalyScore, state: State, showers: Source) -> Work:
    """Score showers, into an HDF5 file with the columns of `anomaly.Scored`."""
    key, how = jax.random.key(options.seed), "known" if options.known_energy else options.energy
    made = {"method": "likelihood", "energy": how, "sides": options.sides, "quantity": options.quantity}
    made |= {"showers": options.showers, "model": str(options.model), **provenance()}

    def apply(events, rows):
        voxels, energy = (events.voxels, events.incident_energy) if options.known_energy else (events, options.energy)
        how = {"energy": energy, "sides": options.sides, "quantity": options.quantity}
        return verbs.score(key, state, voxels, rows=rows, **how)

    return Work(
        apply,
        lambda path, scored: data.tables.write(path, scored._asdict(), UNITS, made),
        state.spec.showers.geometry.voxels,
        say=energies.say_outside,
    )


def exportable(state: State) -> Exportable:
    """`anomaly.score` with its defaults as a function of one shower's cells."""
    flow = state.spec.showers

    def function(state, key, row, voxels):
        return tuple(verbs.score_estimated(key, state, voxels, row))

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
        (*NOISE, voxels(flow.geometry, "of the shower")),
        outputs,
        "Scores anomalous showers by their likelihood at the calibrated energy (arXiv:2312.11618).",
        (
            f"zeros and sums of layers are spread by noise, the mean over {state.spec.config.draws} draws",
            "normal scores of layers and cells, with log-determinants",
            "zero mean and unit width of the background's log-likelihoods given ln E",
        ),
    )


PIPELINE = Pipeline(
    fit=verbs.fit,
    load=verbs.load,
    verbs={AnomalyFit: Fit(given), AnomalyScore: Apply(showers, score)},
    exportable={model.Spec: exportable},
)
