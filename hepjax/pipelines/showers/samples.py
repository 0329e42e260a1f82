"""What every fit asks of its sample of showers, and the part of it that it holds out."""

from __future__ import annotations

import logging

import numpy as np
from jaxtyping import Int

from hepjax import data
from hepjax.types import InputError, Showers

FEWEST = 100
log = logging.getLogger(__name__)


def require(showers: Showers, name: str = "") -> None:
    """Raises InputError unless the showers are physical, at least 100, not all empty and of more than one energy.

    name: which sample it is, where a fit takes several. Says so where units look mistaken.
    """
    named = f"{name} showers" if name else "showers"
    data.showers.check(showers, name or "showers")
    if len(showers) < FEWEST:
        raise InputError(f"{len(showers)} {named}, a fit needs at least {FEWEST}")
    if not np.any(showers.voxels):
        raise InputError(f"{named} without any energy, expected some above zero")
    if np.ptp(showers.incident_energy) == 0:
        raise InputError(f"{named} of one energy alone, expected a range of incident energies")
    remark = data.units.remark(showers)
    if remark:
        log.warning("%s: %s", named, remark)


def hold_out(
    rng: np.random.Generator, events: int, fraction: float
) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " held"]]:
    """Rows to train on and rows held out, each rising."""
    order = rng.permutation(events)
    held = round(fraction * events)
    return np.sort(order[held:]), np.sort(order[:held])
