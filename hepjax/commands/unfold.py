"""What `hepjax unfold` does: files in, files out."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hepjax import data, devices, evaluation, report, runs, streams
from hepjax.cli.unfold import UnfoldApply, UnfoldCompare, UnfoldFit
from hepjax.data import addresses
from hepjax.pipelines import omnifold, posterior, unfolding
from hepjax.pipelines.events import preparation
from hepjax.pipelines.posterior import acceptance
from hepjax.types import InputError, Measured, State, Unfolded, Unfolding


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
        return contextlib.nullcontext(preparation.measured(measured, columns, "data"))

    with streams.opened(options, unfolding, events) as (state, measured):
        made |= {"method": unfolding.method(state), **unfolding.closure(state)}
        if made["method"] == "omnifold":
            _weight_events(options, state, measured, made)
            return
        columns = state.spec.gen_columns

        def write(path, found):
            _write(path, posterior.close(state, measured, found), state, measured, made)

        unfold = streams.Work(
            lambda measured, rows: posterior.unfolded_in_units(key, state, measured, rows),
            data.unfolding.write_part,
            len(columns) + len(measured.columns),
            lambda path, parts, _: write(path, data.unfolding.read_parts(parts, columns)),
        )
        streams.run(options, state, measured, unfold)


def compare(options: UnfoldCompare) -> None:
    """`hepjax unfold compare`: metrics.json, figures/ and report.html."""
    named = addresses.short_names(options.unfolded)
    read = {name: data.unfolding.read_unfolded(path) for name, path in named.items()}
    samples = {name: sample for name, (sample, _) in read.items()}
    methods = {name: metadata["method"] for name, (_, metadata) in read.items()}
    names = [column.name for column in next(iter(samples.values())).columns]
    truth = data.unfolding.read_truth(options.truth, names)
    simulation = data.unfolding.read(options.simulation, names, names) if options.simulation else None
    events = _both_levels(options.truth, names)
    reco = None if events is None else Measured(events.reco, events.weight, events.reco_columns)[events.pass_reco]
    rows = _rows_of_truth(options, samples, methods, len(truth), events)
    with data.output.claim(options.out, overwrite=options.overwrite) as folder:
        key = jax.random.key(options.seed)
        comparison = evaluation.unfolding.compare(key, truth, samples, reco, simulation=simulation, rows=rows)
        made = {"truth": options.truth, "unfolded": ", ".join(map(str, options.unfolded)), **runs.provenance()}
        report.write_unfolding_report(folder, comparison, made)
    for note in comparison.metrics["notes"]:
        print(note)


def _rows_of_truth(
    options: UnfoldCompare,
    samples: Mapping[str, Unfolded],
    methods: Mapping[str, str],
    truths: int,
    events: Unfolding | None,
) -> dict[str, np.ndarray]:
    """The rows of the truth that unfolded events belong to, of the samples that are paired with it.

    A method that unfolds event by event keeps the order of what was measured. Events of another sample of that size are
    paired by chance then, which leaves the null as it is: rows of two samples of one law may be swapped whatever their
    order, as long as it is not one by value.
    """
    every = np.arange(truths)
    measured = every if events is None else _rows_of_measured(events)
    rows = {} if events is None else {evaluation.unfolding.RECO: measured}
    for name, sample in samples.items():
        fits = len(sample) == len(measured)
        if options.null == "paired" and not fits:
            expected = f"the {len(measured)} that {options.truth} has measured, for the paired null"
            raise InputError(f"{name}: {len(sample)} events, expected {expected}")
        if options.null == "paired" or (options.null == "auto" and fits and methods[name] in posterior.MODELS):
            rows[name] = measured
    return rows


def _rows_of_measured(events: Unfolding) -> np.ndarray:
    """Of each measured event its row among those that pass particle level, -1 where it does not."""
    passed = np.asarray(events.pass_gen)
    return np.where(passed, np.cumsum(passed) - 1, -1)[np.asarray(events.pass_reco)]


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


def _both_levels(address: str, names: Sequence[str]) -> Unfolding | None:
    """Both levels of a sample, None where it has no detector level: a truth is whole without."""
    try:
        return data.unfolding.read(address, names, names)
    except InputError:
        return None
