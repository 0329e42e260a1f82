"""What events must be to be unfolded: each breach is one line with file, key and expectation."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from hepjax.data import addresses
from hepjax.data.addresses import Address
from hepjax.data.unfolding.records import FLAGS, GEN, SIM, WEIGHT, Level, Sample
from hepjax.types import Column, InputError, Measured, Unfolding

Where = str | os.PathLike[str] | Address


def check(simulation: Unfolding, where: Where = "simulation", *, negative_weights: bool = True) -> None:
    """Raise InputError, named by `where`, unless the simulation can unfold something.

    That is: as many rows of everything, and at least one; boolean flags; finite values in the events that pass, of
    which there are some at either level; finite weights, not negative where `negative_weights` is false, with a sum
    above zero over the events that pass, at either level.
    """
    levels = {
        GEN: Level(simulation.gen, simulation.gen_columns, simulation.pass_gen),
        SIM: Level(simulation.reco, simulation.reco_columns, simulation.pass_reco),
    }
    _check(Sample(levels, simulation.weight), where, negative_weights)


def check_measured(data: Measured, where: Where = "data", *, negative_weights: bool = True) -> None:
    """Raise InputError, named by `where`, unless the data can be unfolded: as `check`, of events that all pass."""
    level = Level(data.reco, data.columns, np.ones(len(data), bool))
    _check(Sample({SIM: level}, data.weight), where, negative_weights)


def check_gen(gen: np.ndarray, columns: Sequence[Column], where: Where = "events") -> None:
    """Raise InputError, named by `where`, unless particle-level events (n, d) are finite values of these columns."""
    _check_values(Level(gen, tuple(columns), np.ones(len(gen), bool)), addresses.parse(where).key(GEN))


def check_events(sample: Sample, where: Address, *, negative_weights: bool = True) -> None:
    """Raise InputError unless every event is sound: rows paired, flags boolean, values that pass and weights finite."""
    weight = np.asarray(sample.weight)
    rows = {level: len(events.values) for level, events in sample.levels.items()}
    rows |= {FLAGS[level]: len(events.passed) for level, events in sample.levels.items()}
    check_rows(rows | {WEIGHT: len(weight)}, where)
    _check_weights(weight, where.key(WEIGHT), negative_weights)
    for level, events in sample.levels.items():
        passed = np.asarray(events.passed)
        if passed.dtype != bool or passed.ndim != 1:
            found = f"{passed.dtype} of shape {passed.shape}"
            raise InputError(f"{where.key(FLAGS[level])}: {found}, expected booleans of shape (events,)")
        _check_values(events, where.key(level))


def check_sums(sample: Sample, where: Address) -> None:
    """Raise InputError unless some events pass at every level, and the sum of their weights is above zero."""
    for level, events in sample.levels.items():
        passed = np.asarray(events.passed)
        if not passed.any():
            raise InputError(f"{where.key(FLAGS[level])}: all {len(passed)} events fail, expected some that pass")
        total = np.asarray(sample.weight)[passed].sum(dtype=np.float64)
        if not total > 0:
            expected = f"above zero over the {passed.sum()} events that pass at {level}"
            raise InputError(f"{where.key(WEIGHT)}: sum of weights {total:g}, expected {expected}")


def check_rows(rows: dict[str, int], where: Address) -> None:
    """Raise InputError unless all keys have the same number of rows, and at least one."""
    first_with: dict[int, str] = {}
    for key, n in rows.items():
        first_with.setdefault(n, key)
    if len(first_with) > 1:
        found = ", ".join(f"{n} of {key}" for n, key in first_with.items())
        raise InputError(f"{where}: rows are not paired ({found}), expected as many of each")
    if 0 in rows.values():
        raise InputError(f"{where.key(next(iter(rows)))}: zero events, expected at least one")


def _check(sample: Sample, where: Where, negative_weights: bool) -> None:
    where = addresses.parse(where)
    check_events(sample, where, negative_weights=negative_weights)
    check_sums(sample, where)


def _check_values(events: Level, key: str) -> None:
    """Point to the first value of an event that passes which is not finite."""
    table = np.asarray(events.values)
    if table.ndim != 2 or table.shape[1] != len(events.columns):
        expected = f"(events, {len(events.columns)}), one for each of its columns"
        raise InputError(f"{key}: shape {table.shape}, expected {expected}")
    bad = ~np.isfinite(table) & np.asarray(events.passed)[:, None]
    if bad.any():
        row, i = np.unravel_index(np.argmax(bad), bad.shape)
        expected = "finite values in events that pass"
        raise InputError(f"{key}: {events.columns[i].name} is {table[row, i]} in row {row}, expected {expected}")


def _check_weights(weight: np.ndarray, key: str, negative: bool) -> None:
    if weight.ndim != 1:
        raise InputError(f"{key}: shape {weight.shape}, expected (events,)")
    bad = ~(np.isfinite(weight) & (negative | (weight >= 0)))
    if bad.any():
        expected = "finite weights" if negative else "finite weights that are not negative"
        raise InputError(f"{key}: {weight[np.argmax(bad)]} in row {np.argmax(bad)}, expected {expected}")
