"""What `hepjax unfold compare` does: files in, files out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from hepjax import data, evaluation, report
from hepjax.app.options import UnfoldCompare
from hepjax.data import addresses
from hepjax.pipelines import posterior
from hepjax.provenance import provenance
from hepjax.types import InputError, Measured, Unfolded, Unfolding


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
        made = {"truth": options.truth, "unfolded": ", ".join(map(str, options.unfolded)), **provenance()}
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


def _both_levels(address: str, names: Sequence[str]) -> Unfolding | None:
    """Both levels of a sample, None where it has no detector level: a truth is whole without."""
    try:
        return data.unfolding.read(address, names, names)
    except InputError:
        return None
