"""Particles of many events in flat arrays: all of the first event, then all of the second, and so on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Particles(NamedTuple):
    """Particles of a batch of events.

    momentum: (n, 4) of px, py, pz and energy in GeV. pdg: (n,) codes of the Particle Data Group; 0 is a calorimeter
    deposit of many particles. count: (events,) particles of each event, n in all.
    """

    momentum: np.ndarray
    pdg: np.ndarray
    count: np.ndarray

    @property
    def event(self) -> np.ndarray:
        """(n,) the event of each particle."""
        return np.repeat(np.arange(len(self.count)), self.count)

    def select(self, keep: np.ndarray) -> Particles:
        """The particles where `keep`, (n,) bool; all events stay."""
        count = np.bincount(self.event[keep], minlength=len(self.count))
        return Particles(self.momentum[keep], self.pdg[keep], count)


class Kinematics(NamedTuple):
    """Transverse momentum in GeV, rapidity and azimuth, of the shape of the momenta without their last axis."""

    pt: np.ndarray
    rapidity: np.ndarray
    phi: np.ndarray


def kinematics(momentum: np.ndarray) -> Kinematics:
    """Cylindrical coordinates of momenta (..., 4), px, py, pz and energy.

    >>> kinematics(np.array([[0.0, 2.0, 0.0, 3.0]])).pt
    array([2.])
    """
    px, py, pz, _ = np.moveaxis(momentum, -1, 0)
    pt = np.hypot(px, py)
    # E^2 - pz^2 = m^2 + pT^2 cancels less than E - |pz|; a massless particle along the beam has no finite rapidity.
    transverse = np.sqrt(np.maximum(mass_squared(momentum), 0) + pt**2)
    return Kinematics(pt, np.arcsinh(pz / np.maximum(transverse, 1e-30)), np.arctan2(py, px))


def mass_squared(momentum: np.ndarray) -> np.ndarray:
    """E^2 - p^2 in GeV^2 of momenta (..., 4); rounding makes it negative for the massless."""
    px, py, pz, energy = np.moveaxis(momentum, -1, 0)
    return (energy - pz) * (energy + pz) - px**2 - py**2


def pseudorapidity(momentum: np.ndarray) -> np.ndarray:
    """(...,) of momenta (..., 4)."""
    px, py, pz, _ = np.moveaxis(momentum, -1, 0)
    return np.arcsinh(pz / np.maximum(np.hypot(px, py), 1e-30))


def momentum(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray, mass: np.ndarray | float = 0.0) -> np.ndarray:
    """Momenta (..., 4), px, py, pz and energy, of transverse momenta in GeV, pseudorapidities, azimuths and masses."""
    absolute = pt * np.cosh(eta)
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), np.hypot(absolute, mass)], -1)


def delta_phi(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of azimuths in -pi..pi.

    >>> delta_phi(np.array([3.1]), np.array([-3.1])).round(3)
    array([-0.083])
    """
    return (a - b + np.pi) % (2 * np.pi) - np.pi
