"""What `hepjax unfold` does: files in, files out."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax

from hepjax import data, devices, evaluation, report, runs, streams
from hepjax.cli.unfold import UnfoldApply, UnfoldCompare, UnfoldFit
from hepjax.data import addresses
from hepjax.pipelines import acceptance, omnifold, posterior, unfolding, unfolding_data
from hepjax.types import InputError, Measured, State, Unfolded


def fit(options: UnfoldFit) -> None:
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


def apply(options: UnfoldApply) -> None:
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
            lambda measured, rows: posterior.unfolded_in_units(key, state, measured, rows),
            data.unfolding.write_part,
            len(columns) + len(measured.columns),
            lambda path, parts, _: _write(path, data.unfolding.read_parts(parts, columns), state, measured, made),
        )
        streams.run(options, state, measured, unfold)


def compare(options: UnfoldCompare) -> None:
    """`hepjax unfold compare`: metrics.json, figures/ and report.html."""
    named = addresses.short_names(options.unfolded)
    samples = {name: data.unfolding.read_unfolded(path)[0] for name, path in named.items()}
    names = [column.name for column in next(iter(samples.values())).columns]
    truth = data.unfolding.read_truth(options.truth, names)
    simulation = data.unfolding.read(options.simulation, names, names) if options.simulation else None
    reco = _measured_beside(options.truth, names)
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        key = jax.random.key(options.seed)
        comparison = evaluation.unfolding.compare(key, truth, samples, reco, simulation=simulation)
        made = {"truth": options.truth, "unfolded": ", ".join(map(str, options.unfolded)), **runs.provenance()}
        report.write_unfolding_report(folder, comparison, made)
    for note in comparison.metrics["notes"]:
        print(note)


def _weight_events(options: UnfoldApply, state: State, measured: Measured, made: dict[str, Any]) -> None:
    """Write the simulation's events with their weights, which a fit has in store."""
    with devices.together():
        if devices.is_first():
            runs.require_new_file(options.out, options.overwrite)
            unfolded = unfolding.unfold(jax.random.key(options.seed), state, measured)
            kind = {} if unfolded.replicas is None else {"replicas_kind": "Poisson bootstraps of the data"}
            _write(options.out, unfolded, state, measured, made | kind)


def _write(path: Path, unfolded: Unfolded, state: State, measured: Measured, made: dict[str, Any]) -> None:
    """Write unfolded events, and how many weights were cut to their metadata; say so where they are not few."""
    clipped = unfolding.clipped(state, measured, unfolded)
    data.unfolding.write(path, unfolded, made | {"clipped": clipped})
    many = [f"{fraction:.2%} of {name}" for name, fraction in clipped.items() if fraction > acceptance.FEW]
    if many:
        print(f"hepjax: {path}: weights of events were cut at their limits: {', '.join(many)}; yields are kept")


def _measured_beside(address: str, names: Sequence[str]) -> Measured | None:
    """The detector level of a sample, None where it has none: a truth is whole without."""
    try:
        return data.unfolding.read_measured(address, names)
    except InputError:
        return None
