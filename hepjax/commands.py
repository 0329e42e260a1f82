"""What the commands of the command line do: files in, files out."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from hepjax import data, devices, evaluation, export, report, runs
from hepjax.cli import Compare
from hepjax.cli.anomaly import AnomalyFit
from hepjax.cli.calibrate import CalibrateFit
from hepjax.cli.calochallenge import Device, Evaluate, SubmitCheck, Time
from hepjax.cli.caloflow import CaloflowFit
from hepjax.cli.export import Export
from hepjax.cli.generate import Generate
from hepjax.cli.squirels import SquirelsFit
from hepjax.cli.unfold import UnfoldCompare, UnfoldFit
from hepjax.data import addresses
from hepjax.evaluation import calochallenge
from hepjax.evaluation.timing import Timing, table, time_command
from hepjax.pipelines import anomaly, calibration, caloflow, omnifold, squirels, unfolding
from hepjax.training.progress import progress_bar
from hepjax.types import InputError, Measured, Unfolded

File = TypeVar("File", str, Path)


def fit_squirels(options: SquirelsFit) -> None:
    """`hepjax squirels fit`: a run folder."""
    with devices.together():
        full = data.showers.read(options.full)
        fast = data.showers.read(options.fast, geometry=full.geometry)
    runs.fit(options, squirels, fast, full, options.config)


def fit_caloflow(options: CaloflowFit) -> None:
    """`hepjax caloflow fit`: a run folder."""
    copies = functools.partial(caloflow.in_memory, options.config)
    with runs.showers(options.showers, options.memory_gib, copies) as showers:
        runs.fit(options, caloflow, showers, options.config)


def fit_calibration(options: CalibrateFit) -> None:
    """`hepjax calibrate fit`: a run folder."""
    with runs.showers(options.showers, options.memory_gib, lambda geometry: calibration.IN_MEMORY) as showers:
        runs.fit(options, calibration, showers, options.config)


def fit_anomaly(options: AnomalyFit) -> None:
    """`hepjax anomaly fit`: a run folder."""
    copies = functools.partial(caloflow.in_memory, options.config.showers)
    with runs.showers(options.background, options.memory_gib, copies) as background:
        runs.fit(options, anomaly, background, options.config)


def fit_unfolding(options: UnfoldFit) -> None:
    """`hepjax unfold fit`: a run folder."""
    gen = options.observables or (data.unfolding.OBSERVABLES if options.conditions else None)
    reco = (*gen, *options.conditions) if gen else None
    with devices.together():
        simulation = data.unfolding.read(options.simulation, gen, reco)
        names = [column.name for column in simulation.reco_columns]
        measured = data.unfolding.read_measured(options.data, names)
        background = data.unfolding.read_measured(options.background, names) if options.background else None
    config = unfolding.Config(options.method, options.omnifold, options.generative)
    state = runs.fit(options, unfolding, simulation, measured, config, background=background)
    if options.method == "omnifold" and devices.is_first():
        print(omnifold.table(omnifold.diagnostics(state)))


def compare_unfolding(options: UnfoldCompare) -> None:
    """`hepjax unfold compare`: metrics.json, figures/ and report.html."""
    samples = {name: data.unfolding.read_unfolded(path)[0] for name, path in _named(options.unfolded).items()}
    columns = next(iter(samples.values())).columns
    names = [column.name for column in columns]
    truth = Unfolded(*data.unfolding.read_truth(options.truth, names), columns)
    simulation = data.unfolding.read(options.simulation, names, names) if options.simulation else None
    reco = _measured_beside(options.truth, names)
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        key = jax.random.key(options.seed)
        comparison = evaluation.unfolding.compare(key, truth, samples, reco, simulation=simulation)
        made = {"truth": options.truth, "unfolded": ", ".join(map(str, options.unfolded)), **runs.provenance()}
        report.write_unfolding_report(folder, comparison, made)


def export_model(options: Export) -> None:
    """`hepjax export`: a folder with the model, record.json and a loader."""
    state = export.read(options.model)
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        export.write(folder, state, options.format)


def generate_zjets(options: Generate) -> None:
    """`hepjax generate zjets`: an HDF5 file of pairs of jets."""
    from hepjax.data import zjets  # its packages are an extra

    runs.require_new_file(options.out, options.overwrite)
    with progress_bar(f"zjets, {options.shower}", options.events) as show:
        simulation = zjets.generate(options.events, options.shower, options.seed, lambda done: show(done, ""))
    zjets.write(options.out, simulation, options.shower, options.seed)


def compare(options: Compare) -> None:
    """`hepjax compare`: metrics.json, figures/ and report.html."""
    named = {"reference": options.reference, "generated": options.generated, "baseline": options.baseline}
    reference = data.showers.read(options.reference)

    read = functools.partial(data.showers.read, geometry=reference.geometry)
    generated = read(options.generated)
    baseline, train = (read(address) if address else None for address in (options.baseline, options.train))
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        comparison = evaluation.compare(jax.random.key(options.seed), reference, generated, baseline, train=train)
        given = {name: address for name, address in named.items() if address}
        report.write_report(folder, comparison, given | runs.provenance())


def check_submission(options: SubmitCheck) -> None:
    """`hepjax calochallenge submit-check`: says that a file is valid, and what else there is to say of it."""
    with progress_bar("check", 100) as show:
        checked = data.submission.check(options.file, options.dataset, lambda done: show(round(100 * done), ""))
    if checked.faults:
        raise InputError("\n".join(checked.faults))
    print("valid", *checked.remarks, sep="\n")


def time_generator(options: Time) -> None:
    """`hepjax calochallenge timing`: a table, and the same as JSON."""
    if options.out is not None:
        runs.require_new_file(options.out, options.overwrite)
    if options.model is not None and options.command is None:
        place = _device(options.device)
        device, timings = place.device_kind, _time_model(options.model, options, place)
    elif options.command is not None and options.model is None:
        device = "of the command"
        timings = time_command(options.command, options.batches, options.repeats, options.further)
    else:
        raise InputError("options model and command, expected one of them and not the other")
    print(table(timings, device))
    if options.out is not None:
        rows = [timing._asdict() for timing in timings]
        made = {"model": str(options.model)} if options.model else {"command": options.command}
        report.write_json(options.out, {"timing": rows, "device": device, **made, "provenance": runs.provenance()})


def evaluate_calochallenge(options: Evaluate) -> None:
    """`hepjax calochallenge evaluate`: metrics.json, tables/, figures/ and report.html."""
    geometry = data.submission.challenge_geometry(options.dataset)
    named = {"reference": options.reference, **_named(options.generated)}
    named |= {"baseline": options.baseline} if options.baseline else {}
    with contextlib.ExitStack() as stack:
        stack.enter_context(jax.default_device(_device(options.device)))
        sources = {n: stack.enter_context(data.showers.opened(address, geometry)) for n, address in named.items()}
        folder = stack.enter_context(data.output.claim(options.out, overwrite=options.overwrite))
        reference, baseline = sources.pop("reference"), sources.pop("baseline", None)
        comparison = calochallenge.evaluate(
            jax.random.key(options.seed),
            options.dataset,
            reference,
            sources,
            baseline,
            asked=options.metrics,
            config=options.config,
            limits=calochallenge.Limits(options.threshold_mev, options.memory_gib),
        )
        report.write_calochallenge_report(folder, comparison, named | runs.provenance())


def _time_model(model: Path, options: Time, device: Any) -> tuple[Timing, ...]:
    """Timings of CaloFlow at log-uniform incident energies."""
    state = runs.load(model, caloflow)
    constants, params = jax.device_put((state.constants, state.params), device)
    state = state._replace(constants=constants, params=params)
    low, high = 1e3 * np.array(options.energy_gev) if options.energy_gev else state.constants.incident_range
    energies = np.exp(np.random.default_rng(options.seed).uniform(np.log(low), np.log(high), 1000))

    def sample(key, batch):
        return caloflow.sample(key, state, np.resize(energies, batch)).voxels

    with jax.default_device(device):
        return evaluation.timing(jax.random.key(options.seed), sample, options.batches, options.repeats)


def _device(kind: Device) -> Any:
    """The first device of a kind; raises InputError where there is none."""
    try:
        return jax.devices(None if kind == "auto" else kind)[0]
    except RuntimeError as error:
        raise InputError(f"device {kind}: none here, expected {jax.default_backend()} or auto") from error


def _named(files: Sequence[File]) -> dict[str, File]:
    """Files or groups by short names: of the file, or with the group, or else the whole address."""
    parsed = [addresses.parse(file) for file in files]
    stems, groups = [a.path.stem for a in parsed], [f"{a.path.stem}:{a.group}" for a in parsed]
    short = [names for names in (stems, groups) if len({*names, "reference", "baseline"}) == len(names) + 2]
    return dict(zip(short[0] if short else map(str, files), files, strict=True))


def _measured_beside(address: str, names: Sequence[str]) -> Measured | None:
    """The detector level of a sample, None where it has none: a truth is whole without."""
    try:
        return data.unfolding.read_measured(address, names)
    except InputError:
        return None
