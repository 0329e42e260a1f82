"""What the commands of the command line do: files in, files out."""

from __future__ import annotations

import functools

import jax

from hepjax import data, evaluation, report, runs
from hepjax.cli import Compare
from hepjax.cli.anomaly import AnomalyFit, AnomalyScore
from hepjax.cli.calibrate import CalibrateApply, CalibrateFit
from hepjax.cli.caloflow import CaloflowFit, CaloflowSample
from hepjax.cli.squirels import SquirelsFit, SquirelsRefine
from hepjax.pipelines import anomaly, calibration, caloflow, squirels
from hepjax.types import InputError


def fit_squirels(options: SquirelsFit) -> None:
    """`hepjax squirels fit`: a run folder."""
    full = data.showers.read(options.full)
    fast = data.showers.read(options.fast, geometry=full.geometry)
    runs.fit(options, squirels, fast, full, options.config)


def refine_squirels(options: SquirelsRefine) -> None:
    """`hepjax squirels refine`: an HDF5 file of refined showers at the incident energies of the fast ones."""
    runs.require_new_file(options.out, options.overwrite)
    state = runs.load(options.model, squirels)
    fast = data.showers.read(options.fast, geometry=state.spec.geometry)
    refined = squirels.refine(jax.random.key(options.seed), state, fast)
    made = {"method": "SQuIRELS", "fast": options.fast, "model": str(options.model), **runs.provenance()}
    data.showers.write(options.out, refined, made)


def fit_caloflow(options: CaloflowFit) -> None:
    """`hepjax caloflow fit`: a run folder."""
    runs.fit(options, caloflow, data.showers.read(options.showers), options.config)


def sample_caloflow(options: CaloflowSample) -> None:
    """`hepjax caloflow sample`: an HDF5 file of generated showers."""
    runs.require_new_file(options.out, options.overwrite)
    state = runs.load(options.model, caloflow)
    energies = data.showers.read_energies(options.energies)
    generated = caloflow.sample(jax.random.key(options.seed), state, energies)
    made = {"method": "CaloFlow", "energies": options.energies, "model": str(options.model), **runs.provenance()}
    data.showers.write(options.out, generated, made)


def fit_calibration(options: CalibrateFit) -> None:
    """`hepjax calibrate fit`: a run folder."""
    runs.fit(options, calibration, data.showers.read(options.showers), options.config)


def apply_calibration(options: CalibrateApply) -> None:
    """`hepjax calibrate apply`: an HDF5 file with the columns of `calibration.Calibrated`."""
    runs.require_new_file(options.out, options.overwrite)
    state = runs.load(options.model, calibration)
    voxels = data.showers.read_voxels(options.showers, state.spec.geometry)
    columns = calibration.calibrate(state, voxels)._asdict()
    units = {name: "MeV" for name in columns if name.endswith("_mev")} | {"nll": "nats"}
    made = {"method": "maximum likelihood", "showers": options.showers, "model": str(options.model)}
    data.tables.write(options.out, columns, units, made | runs.provenance())


def fit_anomaly(options: AnomalyFit) -> None:
    """`hepjax anomaly fit`: a run folder."""
    runs.fit(options, anomaly, data.showers.read(options.background), options.config)


def score_anomaly(options: AnomalyScore) -> None:
    """`hepjax anomaly score`: an HDF5 file with the columns of `anomaly.Scored`."""
    if options.known_energy and options.energy == "maximised":
        raise InputError("options known-energy and energy maximised exclude each other, expected one of them")
    runs.require_new_file(options.out, options.overwrite)
    state = runs.load(options.model, anomaly)
    geometry = state.spec.showers.geometry
    if options.known_energy:
        showers = data.showers.read(options.showers, geometry)
        voxels, energy = showers.voxels, showers.incident_energy
    else:
        voxels, energy = data.showers.read_voxels(options.showers, geometry), options.energy
    key, how = jax.random.key(options.seed), "known" if options.known_energy else options.energy
    scored = anomaly.score(key, state, voxels, energy=energy, sides=options.sides, quantity=options.quantity)
    made = {"method": "likelihood", "energy": how, "sides": options.sides, "quantity": options.quantity}
    made |= {"showers": options.showers, "model": str(options.model)}
    units = {"energy_mev": "MeV", "log_prob": "nats"}
    data.tables.write(options.out, scored._asdict(), units, made | runs.provenance())


def compare(options: Compare) -> None:
    """`hepjax compare`: metrics.json, figures/ and report.html."""
    named = {"reference": options.reference, "generated": options.generated, "baseline": options.baseline}
    reference = data.showers.read(options.reference)

    read = functools.partial(data.showers.read, geometry=reference.geometry)
    generated = read(options.generated)
    baseline, train = (read(address) if address else None for address in (options.baseline, options.train))
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        comparison = evaluation.compare(jax.random.key(options.seed), reference, generated, baseline, train=train)
        addresses = {name: address for name, address in named.items() if address}
        report.write_report(folder, comparison, addresses | runs.provenance())
