"""A parametrised detector in the manner of Delphes' card for CMS (arXiv:1307.6346).

Charged particles are tracks with an efficiency and a resolution, in the direction of the particle. Photons and
electrons without a track are deposits in the towers of an electromagnetic calorimeter, hadrons without a track in those
of a hadronic one; a tower points to its centre. That is an energy flow whose tracks are subtracted perfectly from
the towers that they hit. There is no magnetic field, and all that comes out is massless.

Efficiencies, resolutions and towers are of the form and the size of the card's. Where its versions differ, and for the
thresholds, the numbers are those that describe the sample in `experiments/generate_zjets.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hepjax.data.zjets.particles import Particles, kinematics, momentum, pseudorapidity

MAX_ETA = 3.0
"""End of the calorimeters; jets of |y| < 2.1 are within."""
BARREL_ETA = 1.5


class Tracker(NamedTuple):
    """Pairs are of the barrel and of the endcap, which ends at max_eta.

    soft_efficiency, efficiency: below and above 1 GeV. resolution: relative, constant in pT and linear in it (1/GeV).
    """

    min_pt_gev: float
    max_eta: float
    soft_efficiency: tuple[float, float]
    efficiency: tuple[float, float]
    resolution: tuple[tuple[float, float], tuple[float, float]]


class Calorimeter(NamedTuple):
    """Square towers and their energy resolution.

    deposit: code of the deposits, those of a particle that leaves them. pitch: in eta and phi. min_et_gev: threshold.
    constant, stochastic (GeV^1/2), noise_gev: sigma^2 = (constant E)^2 + stochastic^2 E + noise^2.
    """

    deposit: int
    pitch: tuple[float, float]
    min_et_gev: float
    constant: float
    stochastic: float
    noise_gev: float


TRACKER = Tracker(
    min_pt_gev=0.2,
    max_eta=2.5,
    soft_efficiency=(0.80, 0.70),
    efficiency=(0.95, 0.85),
    resolution=((0.01, 1.5e-4), (0.025, 3.5e-4)),
)
ECAL = Calorimeter(22, (0.0174, np.pi / 180), min_et_gev=0.5, constant=0.007, stochastic=0.07, noise_gev=0.35)
HCAL = Calorimeter(130, (0.087, np.pi / 36), min_et_gev=1.5, constant=0.05, stochastic=1.5, noise_gev=0.0)

_CHARGED = (11, 13, 211, 321, 2212)
_ELECTROMAGNETIC = (11, 22)
_MUON = 13


def detect(rng: np.random.Generator, particles: Particles) -> Particles:
    """What is seen of the stable particles of events: tracks, which keep their codes, and calorimeter deposits."""
    eta = pseudorapidity(particles.momentum)
    particles, eta = particles.select(np.abs(eta) < MAX_ETA), eta[np.abs(eta) < MAX_ETA]
    code = np.abs(particles.pdg)
    tracked = np.isin(code, _CHARGED) & found(rng, particles.momentum, eta)
    electromagnetic, hadronic = np.isin(code, _ELECTROMAGNETIC), ~np.isin(code, (*_ELECTROMAGNETIC, _MUON))
    tracks = particles.select(tracked)
    parts = [
        tracks._replace(momentum=tracked_momentum(rng, tracks.momentum)),
        deposits(rng, particles.select(electromagnetic & ~tracked), ECAL),
        deposits(rng, particles.select(hadronic & ~tracked), HCAL),
    ]
    return _merged(parts)


def found(rng: np.random.Generator, momenta: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """(n,) bool, whether charged particles of these momenta, (n, 4), have tracks."""
    pt = kinematics(momenta).pt
    soft, hard = (_by_region(eta, pair) for pair in (TRACKER.soft_efficiency, TRACKER.efficiency))
    accepted = (pt > TRACKER.min_pt_gev) & (np.abs(eta) < TRACKER.max_eta)
    return accepted & (rng.random(len(pt)) < np.where(pt > 1, hard, soft))


def tracked_momentum(rng: np.random.Generator, momenta: np.ndarray) -> np.ndarray:
    """(n, 4) momenta of tracks: the pT smeared, the direction kept, without mass."""
    pt, eta = kinematics(momenta).pt, pseudorapidity(momenta)
    constant, linear = (_by_region(eta, pair) for pair in zip(*TRACKER.resolution, strict=True))
    smeared = pt * (1 + np.hypot(constant, linear * pt) * rng.standard_normal(len(pt)))
    return momentum(np.maximum(smeared, 0), eta, kinematics(momenta).phi)


def deposits(rng: np.random.Generator, particles: Particles, calorimeter: Calorimeter) -> Particles:
    """The towers above threshold that particles hit: each particle's energy is smeared, then those of a tower add."""
    energy = particles.momentum[:, 3]
    sigma = np.sqrt(
        (calorimeter.constant * energy) ** 2 + calorimeter.stochastic**2 * energy + calorimeter.noise_gev**2
    )
    smeared = np.maximum(energy + sigma * rng.standard_normal(len(energy)), 0)
    cells = _cells(particles, calorimeter.pitch)
    towers, tower = np.unique(cells, axis=0, return_inverse=True)
    eta, phi = ((towers[:, 1:] + 0.5) * calorimeter.pitch).T
    et = np.bincount(tower, smeared, len(towers)) / np.cosh(eta)
    hit = et > calorimeter.min_et_gev
    count = np.bincount(towers[hit, 0], minlength=len(particles.count))
    pdg = np.full(hit.sum(), calorimeter.deposit)
    return Particles(momentum(et[hit], eta[hit], phi[hit]), pdg, count)


def _cells(particles: Particles, pitch: tuple[float, float]) -> np.ndarray:
    """(n, 3) integers: event, row in eta and column in phi of the towers that particles hit."""
    directions = np.stack([pseudorapidity(particles.momentum), kinematics(particles.momentum).phi], -1)
    return np.column_stack([particles.event, np.floor(directions / pitch).astype(int)])


def _by_region(eta: np.ndarray, values: tuple[float, float]) -> np.ndarray:
    """The value of the barrel or of the endcap."""
    return np.where(np.abs(eta) < BARREL_ETA, values[0], values[1])


def _merged(parts: list[Particles]) -> Particles:
    """Particles of the same events as one, event by event."""
    order = np.argsort(np.concatenate([part.event for part in parts]), kind="stable")
    momentum, pdg = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("momentum", "pdg"))
    return Particles(momentum, pdg, np.sum([part.count for part in parts], axis=0))
