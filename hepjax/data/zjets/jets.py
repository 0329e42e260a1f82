"""The leading jet of each event, and its substructure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from hepjax.data.zjets.particles import Particles, kinematics, mass_squared

RADIUS = 0.4
MIN_PT_GEV = 20.0
MAX_RAPIDITY = 2.1
SOFT_DROP_Z = 0.1

_ALL = 1000.0
"""A radius that takes all constituents into one jet."""


class Jets(NamedTuple):
    """Jets, one an event.

    event: (n,) ascending numbers of the events that have one. momentum: (n, 4) in GeV. constituents: those of n jets.
    """

    event: np.ndarray
    momentum: np.ndarray
    constituents: Particles


def leading(particles: Particles) -> Jets:
    """The anti-kT jet (arXiv:0802.1189, R = 0.4) of the highest pT above 20 GeV within |y| < 2.1 of each event."""
    import awkward as ak

    clustering = _cluster(particles, "antikt_algorithm", RADIUS)
    jets = clustering.inclusive_jets(min_pt=MIN_PT_GEV)
    members = ak.flatten(clustering.constituent_index(min_pt=MIN_PT_GEV))
    event = np.repeat(np.arange(len(particles.count)), ak.to_numpy(ak.num(jets)))
    momentum = _momenta(jets)
    pt, rapidity, _ = kinematics(momentum)
    accepted = np.flatnonzero((pt > MIN_PT_GEV) & (np.abs(rapidity) < MAX_RAPIDITY))
    by_pt = accepted[np.lexsort((-pt[accepted], event[accepted]))]
    events, first = np.unique(event[by_pt], return_index=True)
    best = by_pt[first]
    start = np.cumsum(particles.count) - particles.count
    rows = ak.to_numpy(ak.flatten(members[best] + start[events]))
    count = ak.to_numpy(ak.num(members[best]))
    return Jets(events, momentum[best], Particles(particles.momentum[rows], particles.pdg[rows], count))


def observables(jets: Jets) -> np.ndarray:
    """(n, 8): pT in GeV, rapidity, mass in GeV, multiplicity, width, ln rho, z_g and tau21 of the jets."""
    pt, rapidity, _ = kinematics(jets.momentum)
    mass = np.sqrt(np.maximum(mass_squared(jets.momentum), 0))
    ln_rho, z_g = soft_drop(jets)
    tau1, tau2 = subjettiness(jets).T
    tau21 = np.divide(tau2, tau1, out=np.zeros_like(tau1), where=tau1 > 0)
    return np.stack([pt, rapidity, mass, jets.constituents.count, tau1, ln_rho, z_g, tau21], -1)


def subjettiness(jets: Jets) -> np.ndarray:
    """(n, 2): the N-subjettinesses tau_1 and tau_2 with beta = 1 (arXiv:1011.2268, eq. 2.1).

    tau_N is the sum of pT_i times the distance to the nearest of N axes, over R times the sum of pT_i; the axes are
    those of N exclusive kT jets, so that tau_1 is the width about the axis of the jet.
    """
    import awkward as ak

    options = dict(measure_definition="NormalizedMeasure", axes_definition="KT_Axes", beta=1.0, R0=RADIUS)
    return ak.to_numpy(_cluster(jets.constituents, "kt_algorithm", _ALL).njettiness(njets=[1, 2], **options))


def soft_drop(jets: Jets) -> tuple[np.ndarray, np.ndarray]:
    """Soft drop with z_cut = 0.1 and beta = 0 (arXiv:1402.2657): ln rho = 2 ln(m / pT) and z_g, (n,) each.

    m is the groomed mass and pT that of the jet before. Both are 0 where no splitting passes; ln rho alone where the
    groomed constituents are collinear.
    """
    import awkward as ak

    clustering = _cluster(jets.constituents, "cambridge_algorithm", _ALL)
    groomed = clustering.exclusive_jets_softdrop_grooming(njets=1, beta=0.0, symmetry_cut=SOFT_DROP_Z, R0=RADIUS)
    z_g = np.maximum(ak.to_numpy(groomed.symmetrysoftdrop), 0)
    mass = ak.to_numpy(groomed.msoftdrop)
    ratio = mass / kinematics(jets.momentum).pt
    ln_rho = 2 * np.log(ratio, out=np.zeros_like(ratio), where=(z_g > 0) & (mass > 0))
    return ln_rho, z_g


def _cluster(particles: Particles, algorithm: str, radius: float) -> Any:
    """FastJet's clustering of every event (arXiv:1111.6097), with the E scheme."""
    import awkward as ak
    import fastjet

    names = ("px", "py", "pz", "E")
    flat = ak.zip(dict(zip(names, particles.momentum.astype(float).T, strict=True)))
    definition = fastjet.JetDefinition(getattr(fastjet, algorithm), radius)
    return fastjet.ClusterSequence(ak.unflatten(flat, particles.count), definition)


def _momenta(jets: Any) -> np.ndarray:
    """(n, 4) of a ragged array of jets."""
    import awkward as ak

    return np.stack([ak.to_numpy(ak.flatten(jets[name])) for name in ("px", "py", "pz", "E")], -1)
