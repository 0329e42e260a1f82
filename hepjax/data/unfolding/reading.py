"""Events to unfold, from files of any of the formats."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from hepjax.data import addresses
from hepjax.data.addresses import Address
from hepjax.data.unfolding.checks import Where, check, check_level, check_measured, check_rows
from hepjax.data.unfolding.sources import FLAGS, GEN, SIM, WEIGHT, Asked, Source, float32, read_hdf5
from hepjax.types import InputError, Measured, Unfolding

Names = Sequence[str] | None


def read(address: Where, gen: Names = None, reco: Names = None) -> Unfolding:
    """Read and check simulated events, paired by row, as float32 arrays of NumPy.

    gen, reco: the names of the columns to read, in the order asked for; by default `OBSERVABLES` where the file has
    them all, else all that it has. Without weights an event weighs one; without flags every event passes.
    Raises InputError, one line with file, key and expectation, for whatever is wrong with the file or its content.
    """
    address = addresses.parse(address)
    source = _load(address, {GEN: gen, SIM: reco})
    simulation = Unfolding(
        gen=source.values[GEN],
        reco=source.values[SIM],
        weight=source.extras[WEIGHT],
        pass_gen=source.extras[FLAGS[GEN]],
        pass_reco=source.extras[FLAGS[SIM]],
        gen_columns=source.columns[GEN],
        reco_columns=source.columns[SIM],
    )
    check(simulation, address)
    return simulation


def read_measured(address: Where, reco: Names = None) -> Measured:
    """Read and check events at detector level, as `read` does; those that fail `pass_reco` were not measured.

    Particle level is not looked at, and need not be there.
    """
    address = addresses.parse(address)
    source = _load(address, {SIM: reco})
    passed = source.extras[FLAGS[SIM]]
    measured = Measured(source.values[SIM], source.extras[WEIGHT], source.columns[SIM])[passed]
    check_measured(measured, address)
    return measured


def read_truth(address: Where, gen: Names = None) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Read and check events at particle level and their weights, as `read` does; without those that fail `pass_gen`."""
    address = addresses.parse(address)
    source = _load(address, {GEN: gen})
    passed = source.extras[FLAGS[GEN]]
    values, weight = source.values[GEN][passed], source.extras[WEIGHT][passed]
    check_level(values, source.columns[GEN], weight, address, GEN)
    return values, weight


def _load(address: Address, asked: Asked) -> Source:
    """Read a file, with weights and flags whether it has them or not, and rows of everything known to be paired."""
    source = read_hdf5(address, asked)
    extras = dict(source.extras)
    lengths = {key: len(array) for key, array in {**source.values, **extras}.items()}
    check_rows(lengths, address)
    rows = next(iter(lengths.values()))
    weight = float32(address.key(WEIGHT), extras[WEIGHT]) if WEIGHT in extras else np.ones(rows, np.float32)
    flags = {FLAGS[level]: _flag(extras, FLAGS[level], rows, address) for level in asked}
    return source._replace(extras={WEIGHT: weight, **flags})


def _flag(extras: dict[str, np.ndarray], key: str, rows: int, address: Address) -> np.ndarray:
    """A pass flag as booleans, which some formats keep as integers 0 and 1."""
    flag = extras.get(key, np.ones(rows, bool))
    if flag.dtype != bool and not (flag.dtype.kind in "iu" and np.isin(flag, (0, 1)).all()):
        raise InputError(f"{address.key(key)}: type {flag.dtype}, expected booleans, or integers that are all 0 or 1")
    return flag.astype(bool)
