"""What the commands of the command line do: files in, files out."""

from __future__ import annotations

import csv
import datetime
import functools
import json
import os
import platform
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax

from hepjax import data, evaluation, report
from hepjax.pipelines import squirels
from hepjax.pipelines.squirels_model import Bridges
from hepjax.training import checkpoint, spec
from hepjax.types import InputError, Showers, State

if TYPE_CHECKING:
    from hepjax import cli

CONFIG, CHECKPOINT, PROGRESS, HISTORY = "config.json", "checkpoint", "progress", "history.csv"


def fit_squirels(options: cli.SquirelsFit) -> None:
    """`hepjax squirels fit`: a run folder with config.json, metrics.json, history.csv, figures/ and checkpoint/."""
    full = data.showers.read(options.full)
    fast = data.showers.read(options.fast, geometry=full.geometry)
    asked = {"seed": options.seed, "fast": options.fast, "full": options.full, "config": spec.encode(options.config)}
    with data.output.claim(options.out, overwrite=options.overwrite, resume=options.resume) as folder:
        run_squirels(folder, fast, full, options.config, options.seed, asked)


def run_squirels(
    folder: Path, fast: Showers, full: Showers, config: squirels.Config, seed: int, asked: Mapping[str, Any]
) -> tuple[State, float]:
    """Fill a run folder, or go on with one that was stopped. Returns the state and the seconds of the fit.

    asked: what the run was asked for, which a resumed run must share. Raises InputError when it does not.
    """
    before = json.loads((folder / CONFIG).read_text()) if (folder / CONFIG).exists() else None
    if before is not None and before != asked:
        changed = ", ".join(name for name in asked if before.get(name) != asked[name])
        raise InputError(f"{folder / CONFIG}: resume expects the options of the stopped run, other: {changed}")
    if (folder / CHECKPOINT).exists():
        shutil.rmtree(folder / PROGRESS, ignore_errors=True)
        return squirels.load(folder / CHECKPOINT), 0.0
    report.write_json(folder / CONFIG, asked)
    started = time.perf_counter()
    state = squirels.fit(
        jax.random.key(seed), fast, full, config, folder=folder / PROGRESS, resume=(folder / PROGRESS).exists()
    )
    jax.block_until_ready(state.params)
    seconds = time.perf_counter() - started
    shutil.copyfile(folder / PROGRESS / HISTORY, folder / HISTORY)
    for bridge, history in read_histories(folder).items():
        report.write_figure(folder / "figures" / f"history_{bridge}.png", report.history_figure(history, bridge))
    parameters = sum(leaf.size for leaf in jax.tree.leaves(state.params))
    report.write_json(
        folder / "metrics.json", {"seconds_fit": seconds, "parameters": parameters, "provenance": provenance()}
    )
    squirels.save(folder / CHECKPOINT, state)
    shutil.rmtree(folder / PROGRESS)
    return state, seconds


def refine_squirels(options: cli.SquirelsRefine) -> None:
    """`hepjax squirels refine`: an HDF5 file of refined showers at the incident energies of the fast ones."""
    if options.out.exists() and not options.overwrite:
        raise InputError(f"{options.out}: output file exists, expected a new name or the option overwrite")
    if not options.out.absolute().parent.is_dir():
        raise InputError(f"{options.out}: no such folder, expected one that exists")
    state = squirels.load(options.model / CHECKPOINT)
    fast = data.showers.read(options.fast, geometry=state.spec.geometry)
    refined = squirels.refine(jax.random.key(options.seed), state, fast)
    made = {"method": "SQuIRELS", "fast": options.fast, "model": str(options.model), **provenance()}
    data.showers.write(options.out, refined, made)


def compare(options: cli.Compare) -> None:
    """`hepjax compare`: metrics.json, figures/ and report.html."""
    named = {"reference": options.reference, "generated": options.generated, "baseline": options.baseline}
    reference = data.showers.read(options.reference)

    read = functools.partial(data.showers.read, geometry=reference.geometry)
    generated = read(options.generated)
    baseline, train = (read(address) if address else None for address in (options.baseline, options.train))
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        comparison = evaluation.compare(jax.random.key(options.seed), reference, generated, baseline, train=train)
        addresses = {name: address for name, address in named.items() if address}
        report.write_report(folder, comparison, addresses | provenance())


def provenance() -> dict[str, str]:
    """Versions, hardware and date, to be kept beside results."""
    device = jax.devices()[0]
    return {
        **checkpoint.versions(),
        "python": platform.python_version(),
        "device": f"{jax.device_count()} x {device.device_kind} ({platform.machine()}, {os.cpu_count()} cores)",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def read_histories(folder: Path) -> dict[str, dict[str, list[float]]]:
    """The columns of a run folder's history.csv, of each of the two bridges by its name."""
    with open(folder / HISTORY, newline="") as file:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    names = [name for name in rows[0] if name != "bridge"]
    return {
        bridge: {name: [row[name] for row in rows if row["bridge"] == number] for name in names}
        for number, bridge in enumerate(Bridges._fields, 1)
    }
