"""The incident energies that a model may be asked for: those of its training, and a little beyond.

A random split leaves a few showers of a test sample beyond the outermost ones of the training, by about the distance
between neighbours there: these are let pass, and counted. Further out a model extrapolates, which has to be asked for.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from jax.core import Tracer

from hepjax import data, devices
from hepjax.types import AnyArray, InputError

BEYOND = 1.05
"""At least so far beyond, as a ratio."""
SHARE = 1 / 20
"""Or by this share of the distance in ln E between the two outermost tabulated quantiles: with 250 showers between
these, by 12 times the mean distance between neighbours."""

FEW, FAR = 0.01, 2.0
"""A share of showers that may lie further out, and how far, as a ratio: named in a warning."""
log = logging.getLogger(__name__)

Range = tuple[float, float]


def beyond(nodes: AnyArray) -> Range:
    """The energies (low, high) in MeV that a model may be asked for. nodes: rising quantiles of ln E, from its least to
    its greatest value in the training, as `transforms.Quantiles` has them.
    """
    nodes = np.asarray(nodes, np.float64)
    low, high = np.maximum(SHARE * np.array([nodes[1] - nodes[0], nodes[-1] - nodes[-2]]), np.log(BEYOND))
    return float(np.exp(nodes[0] - low)), float(np.exp(nodes[-1] + high))


def require(energies: AnyArray, known: Range, extrapolate: bool, where: data.showers.Where = "showers") -> None:
    """Raise InputError, named by `where`, unless incident energies (n,) are physical and, but to extrapolate, known.

    Nothing is looked at while JAX traces.
    """
    if isinstance(energies, Tracer):
        return
    data.showers.check_energies(np.asarray(energies), where)
    if not extrapolate:
        _require_known(np.asarray(energies), known, where)


def require_stored(stored: data.showers.Values, known: Range, extrapolate: bool) -> None:
    """Raise InputError, in all processes, unless all incident energies of a file are some that a model knows."""
    with devices.together():
        values = devices.rows(stored.__getitem__, len(stored))
        require(values, known, extrapolate, stored.address)


def say_outside(path: Path) -> str:
    """Return what to say of a table with the column `in_range`, where no shower has an energy of the training."""
    if data.tables.read(path)["in_range"].any():
        return ""
    return f"{path}: no shower is in_range of the training's energies; cells are expected in MeV"


def _require_known(energies: np.ndarray, known: Range, where: data.showers.Where) -> None:
    outside = (energies < known[0]) | (energies > known[1])
    if not outside.any():
        return
    row, key = int(np.argmax(outside)), data.addresses.parse(where).key(data.showers.ENERGIES)
    found = f"{key}: {outside.sum()} of {len(energies)} energies are outside of the training's"
    found += f", such as {energies[row]:.5g} MeV in row {row}{_in_gev(energies, known)}"
    near = energies.min() >= known[0] / FAR and energies.max() <= known[1] * FAR
    if not near or outside.mean() > FEW:
        raise InputError(f"{found}, expected {known[0]:.4g} to {known[1]:.4g} MeV, or the option extrapolate")
    log.warning("%s", found)


def _in_gev(energies: np.ndarray, known: Range) -> str:
    scaled = 1e3 * np.median(energies)
    return ", which looks like GeV" if known[0] <= scaled <= known[1] else ""
