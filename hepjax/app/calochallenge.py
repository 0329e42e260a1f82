"""What `hepjax calochallenge` does: files in, files out."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hepjax import data, evaluation, report
from hepjax.app import runs
from hepjax.app.options import CHECKPOINT, Device, Evaluate, SubmitCheck, Time
from hepjax.data import addresses
from hepjax.evaluation import calochallenge
from hepjax.evaluation.timing import Timing, table, time_command
from hepjax.pipelines.showers import record
from hepjax.provenance import provenance
from hepjax.training.progress import progress_bar
from hepjax.types import InputError


def evaluate(options: Evaluate) -> None:
    """`hepjax calochallenge evaluate`: metrics.json, tables/, figures/ and report.html."""
    geometry = data.submission.challenge_geometry(options.dataset)
    report.published(options.dataset, options.beside)  # which refuses a name before the work
    named = {"reference": options.reference, **addresses.short_names(options.generated)}
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
        report.write_calochallenge_report(folder, comparison, named | provenance(), options.beside)


def time(options: Time) -> None:
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
        report.write_json(options.out, {"timing": rows, "device": device, **made, "provenance": provenance()})


def check(options: SubmitCheck) -> None:
    """`hepjax calochallenge submit-check`: says that a file is valid, and what else there is to say of it."""
    with progress_bar("check", 100) as show:
        checked = data.submission.check(options.file, options.dataset, lambda done: show(round(100 * done), ""))
    if checked.faults:
        raise InputError("\n".join(checked.faults))
    print("valid", *checked.remarks, sep="\n")


def _time_model(model: Path, options: Time, device: Any) -> tuple[Timing, ...]:
    """Timings of a generator at log-uniform incident energies."""
    state = record.load(model / CHECKPOINT)
    generator = record.of_state(state)
    constants, params = jax.device_put((state.constants, state.params), device)
    state = state._replace(constants=constants, params=params)
    least, most = generator.known_energies(state)
    low, high = 1e3 * np.array(options.energy_gev) if options.energy_gev else generator.trained_energies(state)
    if low < least or high > most:
        found = f"energy-gev {low / 1e3:g} {high / 1e3:g}: outside of the training's"
        raise InputError(f"{found}, expected {least / 1e3:.4g} to {most / 1e3:.4g} GeV")
    energies = np.exp(np.random.default_rng(options.seed).uniform(np.log(low), np.log(high), 1000))

    def sample(key, batch):
        return generator.sample(key, state, np.resize(energies, batch)).voxels

    with jax.default_device(device):
        return evaluation.timing(jax.random.key(options.seed), sample, options.batches, options.repeats)


def _device(kind: Device) -> Any:
    """The first device of a kind; raises InputError where there is none."""
    try:
        return jax.devices(None if kind == "auto" else kind)[0]
    except RuntimeError as error:
        raise InputError(f"device {kind}: none here, expected {jax.default_backend()} or auto") from error
