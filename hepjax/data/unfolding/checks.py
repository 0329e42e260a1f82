"""What events must be to be unfolded: each breach is one line with file, key and expectation."""

from __future__ import annotations

import os

import numpy as np

from hepjax.data import addresses
from hepjax.data.addresses import Address
from hepjax.data.unfolding.sources import FLAGS, GEN, SIM, WEIGHT
from hepjax.types import AnyArray, Column, InputError, Measured, Unfolding

Where = str | os.PathLike[str] | Address


def check(simulation: Unfolding, where: Where = "simulation", *, negative_weights: bool = True) -> None:
    """Raise InputError, named by `where`, unless the simulation can unfold something.

    That is: as many rows of everything; boolean flags; finite weights, not negative where `negative_weights` is false,
    whose sum is above zero over all events, over those that pass at gen and over those that pass at reco; finite values
    in the events that pass, of which there are some at either level.
    """
    where = addresses.parse(where)
    weight = np.asarray(simulation.weight)
    levels = {
        GEN: (simulation.gen, simulation.gen_columns, simulation.pass_gen),
        SIM: (simulation.reco, simulation.reco_columns, simulation.pass_reco),
    }
    rows = {level: len(values) for level, (values, _, _) in levels.items()}
    rows |= {FLAGS[level]: len(flag) for level, (_, _, flag) in levels.items()}
    check_rows({**rows, WEIGHT: len(weight)}, where)
    _check_weights(weight, where, negative_weights)
    for level, (values, columns, flag) in levels.items():
        passed = np.asarray(flag)
        _check_flag(passed, where.key(FLAGS[level]))
        _check_values(values, columns, passed, where.key(level))
        _check_sum(weight[passed], where, f" of the {passed.sum()} events that pass {FLAGS[level]}")


def check_measured(data: Measured, where: Where = "data", *, negative_weights: bool = True) -> None:
    """Raise InputError, named by `where`, unless the data can be unfolded: as `check`, of one level."""
    where = addresses.parse(where)
    check_level(data.reco, data.columns, data.weight, where, SIM, negative_weights=negative_weights)


def check_level(
    values: AnyArray,
    columns: tuple[Column, ...],
    weight: AnyArray,
    where: Address,
    level: str,
    *,
    negative_weights: bool = True,
) -> None:
    """Raise InputError unless the events (n, d) of one level, which all pass, and their weights (n,) are sound."""
    check_rows({level: len(values), WEIGHT: len(weight)}, where)
    _check_weights(np.asarray(weight), where, negative_weights)
    _check_values(values, columns, np.ones(len(values), bool), where.key(level))


def check_rows(rows: dict[str, int], where: Address) -> None:
    """Raise InputError unless all keys have the same number of rows, and at least one."""
    if len(set(rows.values())) > 1:
        found = ", ".join(f"{n} of {key}" for key, n in rows.items())
        raise InputError(f"{where}: rows are not paired ({found}), expected as many of each")
    if 0 in rows.values():
        raise InputError(f"{where.key(next(iter(rows)))}: zero events, expected at least one")


def _check_flag(passed: np.ndarray, key: str) -> None:
    if passed.dtype != bool or passed.ndim != 1:
        raise InputError(f"{key}: type {passed.dtype} and shape {passed.shape}, expected booleans of shape (events,)")
    if not passed.any():
        raise InputError(f"{key}: all {len(passed)} events fail, expected some that pass")


def _check_values(values: AnyArray, columns: tuple[Column, ...], passed: np.ndarray, key: str) -> None:
    """Point to the first value of an event that passes which is not finite."""
    table = np.asarray(values)
    if table.ndim != 2 or table.shape[1] != len(columns):
        raise InputError(f"{key}: shape {table.shape}, expected (events, {len(columns)}), one for each of the columns")
    bad = ~np.isfinite(table) & passed[:, None]
    if bad.any():
        row, i = np.unravel_index(np.argmax(bad), bad.shape)
        raise InputError(f"{key}: {columns[i].name} is {table[row, i]} in row {row}, expected finite values")


def _check_weights(weight: np.ndarray, where: Address, negative: bool) -> None:
    key = where.key(WEIGHT)
    if weight.ndim != 1:
        raise InputError(f"{key}: shape {weight.shape}, expected (events,)")
    bad = ~np.isfinite(weight) if negative else ~(np.isfinite(weight) & (weight >= 0))
    if bad.any():
        row, expected = np.argmax(bad), "finite weights" if negative else "finite weights that are not negative"
        raise InputError(f"{key}: {weight[row]} in row {row}, expected {expected}")
    _check_sum(weight, where)


def _check_sum(weight: np.ndarray, where: Address, of: str = "") -> None:
    if not weight.sum(dtype=np.float64) > 0:
        raise InputError(f"{where.key(WEIGHT)}: the sum{of} is {weight.sum():g}, expected above zero")
