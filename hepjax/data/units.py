"""Units that showers seem to have, where they are not the MeV that all of hepjax works in."""

from __future__ import annotations

import numpy as np

from hepjax.types import Showers

LEAST_MEV = 256.0
"""The least incident energy of the CaloChallenge; calorimeter showers start about there."""
SOFT_MEV = 1e3
RESPONSES = (1e-2, 30.0)
"""Medians of the cells' sum over the incident energy that may be true, with and without the sampling fraction."""


def remark(showers: Showers) -> str | None:
    """What looks like a mistake of units, in words, or None: GeV for MeV in the energies, in the cells or in both."""
    energy = np.asarray(showers.incident_energy, np.float64)
    total = np.asarray(showers.voxels).sum(-1, dtype=np.float64)
    seen = total > 0
    response = np.median(total[seen] / energy[seen]) if seen.any() else 1.0
    spread = f"{energy.min():.4g} to {energy.max():.4g} MeV"
    if response > RESPONSES[1]:
        return f"cells add up to {response:.3g} times the incident energies of {spread}: are these in GeV?"
    if response < RESPONSES[0]:
        return f"cells add up to {response:.3g} times the incident energies of {spread}: are the cells in GeV?"
    if energy.max() < SOFT_MEV or np.median(energy) < LEAST_MEV:
        return f"incident energies of {spread}: are they in GeV?"
    return None
