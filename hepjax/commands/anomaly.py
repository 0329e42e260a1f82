"""What `hepjax anomaly` does: files in, files out."""

from __future__ import annotations

import functools

import jax

from hepjax import data, runs, streams
from hepjax.cli.anomaly import AnomalyFit, AnomalyScore
from hepjax.pipelines import anomaly, caloflow
from hepjax.types import InputError


def fit(options: AnomalyFit) -> None:
    """`hepjax anomaly fit`: a run folder."""
    copies = functools.partial(caloflow.in_memory, options.config.showers)
    with runs.showers(options.background, options.memory_gib, copies) as background:
        runs.fit(options, anomaly, background, options.config)


def score(options: AnomalyScore) -> None:
    """`hepjax anomaly score`: an HDF5 file with the columns of `anomaly.Scored`."""
    if options.known_energy and options.energy == "maximised":
        raise InputError("options known-energy and energy maximised exclude each other, expected one of them")
    key, how = jax.random.key(options.seed), "known" if options.known_energy else options.energy
    made = {"method": "likelihood", "energy": how, "sides": options.sides, "quantity": options.quantity}
    made |= {"showers": options.showers, "model": str(options.model), **runs.provenance()}
    units = {"energy_mev": "MeV", "log_prob": "nats"}

    def source(state):
        opened = data.showers.opened if options.known_energy else data.showers.opened_voxels
        return opened(options.showers, state.spec.showers.geometry)

    def score(events, rows):
        voxels, energy = (events.voxels, events.incident_energy) if options.known_energy else (events, options.energy)
        how = {"energy": energy, "sides": options.sides, "quantity": options.quantity}
        return anomaly.score(key, state, voxels, rows=rows, **how)

    with streams.opened(options, anomaly, source) as (state, showers):
        width = state.spec.showers.geometry.voxels
        work = streams.Work(score, lambda path, scored: data.tables.write(path, scored._asdict(), units, made), width)
        streams.run(options, state, showers, work)
        streams.tell_outside(options.out)
