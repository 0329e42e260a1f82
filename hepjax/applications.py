"""What the commands do that apply a fitted model: events of a file in, a file out, chunk by chunk."""

from __future__ import annotations

import contextlib
from typing import Any

import jax

from hepjax import data, devices, runs, streams
from hepjax.cli.anomaly import AnomalyScore
from hepjax.cli.calibrate import CalibrateApply
from hepjax.cli.caloflow import CaloflowSample
from hepjax.cli.squirels import SquirelsRefine
from hepjax.cli.unfold import UnfoldApply
from hepjax.pipelines import anomaly, calibration, caloflow, posterior, squirels, unfolding, unfolding_data
from hepjax.types import InputError, Measured, State


def refine_squirels(options: SquirelsRefine) -> None:
    """`hepjax squirels refine`: an HDF5 file of refined showers at the incident energies of the fast ones."""
    key = jax.random.key(options.seed)
    made = {"method": "SQuIRELS", "fast": options.fast, "model": str(options.model), **runs.provenance()}

    def fast(state):
        return data.showers.opened(options.fast, state.spec.geometry)

    with streams.opened(options, squirels, fast) as (state, showers):
        refine = streams.Work(
            lambda showers, rows: squirels.refine(key, state, showers, rows=rows),
            lambda path, refined: data.showers.write(path, refined, made),
            state.spec.geometry.voxels,
        )
        streams.run(options, state, showers, refine)


def sample_caloflow(options: CaloflowSample) -> None:
    """`hepjax caloflow sample`: an HDF5 file of generated showers."""
    key = jax.random.key(options.seed)
    made = {"method": "CaloFlow", "energies": options.energies, "model": str(options.model), **runs.provenance()}
    with streams.opened(options, caloflow, lambda _: data.showers.opened_energies(options.energies)) as (state, given):
        sample = streams.Work(
            lambda energies, rows: caloflow.sample(key, state, energies, rows=rows),
            lambda path, generated: data.showers.write(path, generated, made),
            state.spec.geometry.voxels,
        )
        streams.run(options, state, given, sample)


def apply_calibration(options: CalibrateApply) -> None:
    """`hepjax calibrate apply`: an HDF5 file with the columns of `calibration.Calibrated`."""
    columns = calibration.Calibrated._fields
    units = {name: "MeV" for name in columns if name.endswith("_mev")} | {"nll": "nats"}
    made = {"method": "maximum likelihood", "showers": options.showers, "model": str(options.model)}
    made |= runs.provenance()

    def cells(state):
        return data.showers.opened_voxels(options.showers, state.spec.geometry)

    with streams.opened(options, calibration, cells) as (state, voxels):
        calibrate = streams.Work(
            lambda voxels, _: calibration.calibrate(state, voxels),
            lambda path, calibrated: data.tables.write(path, calibrated._asdict(), units, made),
            state.spec.geometry.voxels,
        )
        streams.run(options, state, voxels, calibrate)


def score_anomaly(options: AnomalyScore) -> None:
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


def apply_unfolding(options: UnfoldApply) -> None:
    """`hepjax unfold apply`: a file of unfolded events."""
    data.unfolding.require_format(options.out)
    key = jax.random.key(options.seed)
    made = {"selection": options.selection, "seed": options.seed, "data": options.data, "model": str(options.model)}
    made |= {"software": runs.provenance()}

    def events(state):
        columns = unfolding.reco_columns(state)
        measured = data.unfolding.read_measured(options.data, [column.name for column in columns])
        return contextlib.nullcontext(unfolding_data.measured(measured, columns, "data"))

    with streams.opened(options, unfolding, events) as (state, measured):
        made |= {"method": unfolding.method(state)}
        if made["method"] == "omnifold":
            _weight_events(options, state, measured, made)
            return
        columns = state.spec.gen_columns
        unfold = streams.Work(
            lambda measured, rows: posterior.unfolded(key, state, measured, rows),
            data.unfolding.write_part,
            len(columns) + len(measured.columns),
            lambda path, parts, _: data.unfolding.write(path, data.unfolding.read_parts(parts, columns), made),
        )
        streams.run(options, state, measured, unfold)


def _weight_events(options: UnfoldApply, state: State, measured: Measured, made: dict[str, Any]) -> None:
    """Write the simulation's events with their weights, which a fit has in store."""
    with devices.together():
        if devices.is_first():
            runs.require_new_file(options.out, options.overwrite)
            unfolded = unfolding.unfold(jax.random.key(options.seed), state, measured)
            kind = {} if unfolded.replicas is None else {"replicas_kind": "Poisson bootstraps of the data"}
            data.unfolding.write(options.out, unfolded, made | kind)
