"""Z(-> nu nu) + jets at particle and at detector level, made on the user's machine (extra `generators`).

Pythia 8, pp at 14 TeV, pT(Z) > 200 GeV: the leading anti-kT jet (R = 0.4, pT > 20 GeV, |y| < 2.1) of the stable visible
particles (gen), and that of what a detector sees of them (sim). An event stays when both are there and are less than
0.3 apart in rapidity and azimuth, so that rows are pairs and every event passes at both levels.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from hepjax import __version__
from hepjax.data import hdf5
from hepjax.data.unfolding.columns import column
from hepjax.data.zjets import detector, jets, pythia
from hepjax.data.zjets.particles import delta_phi, kinematics
from hepjax.types import InputError, Unfolding

COLUMNS = ("pt_gev", "rapidity", "mass_gev", "multiplicity", "width", "ln_rho", "z_g", "tau21", "z_pt_gev")
"""The observables of the jet at both levels, and the pT of the Z, which is that of the truth at both."""

SHOWERS = tuple(pythia.SHOWERS)
MATCHING_DISTANCE = 0.3

__all__ = ["COLUMNS", "MATCHING_DISTANCE", "SHOWERS", "generate", "write"]


def generate(
    events: int, shower: str = "pythia", seed: int = 0, progress: Callable[[int], object] | None = None
) -> Unfolding:
    """Make pairs of jets: gen and reco, (events, 9) float32 of `COLUMNS`.

    shower: `pythia`, the default one, or `vincia`. seed: the same gives the same events, and fewer events are the
    first of more. progress: told the number of events that are done, now and then.

    Raises InputError for events below one, an unknown shower, a negative seed, or without pythia8mc and fastjet.
    """
    _check(events, shower, seed)
    seeds = np.random.SeedSequence(seed).spawn(2)
    rng = np.random.default_rng(seeds[1])
    rows, done = [], 0
    for batch in pythia.batches(shower, seeds[0]):
        rows.append(_pairs(rng, batch))
        done = min(done + len(rows[-1]), events)
        if progress is not None:
            progress(done)
        if done == events:
            break
    pairs = np.concatenate(rows)[:events].astype(np.float32)
    columns = tuple(column(name) for name in COLUMNS)
    every = np.ones(events, bool)
    return Unfolding(pairs[:, 0], pairs[:, 1], np.ones(events, np.float32), every, every, columns, columns)


def write(path: str | os.PathLike[str], simulation: Unfolding, shower: str, seed: int) -> None:
    """Write what `generate` made as the data sets `gen` and `sim` of a new file, with how it was made as attributes.

    `unfolding.read` reads it. Raises InputError when the file cannot be written.
    """
    with hdf5.create(path) as file:
        file.attrs.update(_provenance(shower, seed))
        file.attrs["columns"] = [c.name for c in simulation.gen_columns]
        file.attrs["units"] = [c.unit for c in simulation.gen_columns]
        for level, values in (("gen", simulation.gen), ("sim", simulation.reco)):
            file.create_dataset(level, data=np.asarray(values), compression="gzip", shuffle=True)


def _check(events: int, shower: str, seed: int) -> None:
    if events < 1:
        raise InputError(f"events {events}, expected at least one")
    if shower not in SHOWERS:
        raise InputError(f"shower {shower!r}, expected {' or '.join(SHOWERS)}")
    if seed < 0:
        raise InputError(f"seed {seed}, expected zero or above")


def _pairs(rng: np.random.Generator, batch: pythia.Batch) -> np.ndarray:
    """(n, 2, 9): observables at gen and at sim of the events with a jet at both levels in the same direction."""
    truth = jets.leading(batch.particles)
    measured = jets.leading(detector.detect(rng, batch.particles))
    events, i, j = np.intersect1d(truth.event, measured.event, return_indices=True)
    a, b = kinematics(truth.momentum[i]), kinematics(measured.momentum[j])
    near = np.hypot(a.rapidity - b.rapidity, delta_phi(a.phi, b.phi)) < MATCHING_DISTANCE
    z_pt = batch.z_pt[events]
    levels = [np.column_stack([jets.observables(level)[rows], z_pt]) for level, rows in ((truth, i), (measured, j))]
    return np.stack(levels, axis=1)[near]


def _provenance(shower: str, seed: int) -> dict[str, object]:
    return {
        "title": "Leading jets of Z(-> nu nu) + jets, at particle level (gen) and detector level (sim), paired by row",
        "generator": f"Pythia {pythia.version()}, hepjax {__version__}",
        "shower": shower,
        "seed": seed,
        "selection": (
            f"pp at 14 TeV, Z pT above {pythia.MIN_Z_PT_GEV:g} GeV; leading anti-kT jet, R = {jets.RADIUS:g}, "
            f"pT above {jets.MIN_PT_GEV:g} GeV, |y| below {jets.MAX_RAPIDITY:g}, at both levels, "
            f"less than {MATCHING_DISTANCE:g} apart"
        ),
        "detector": "tracking efficiency and resolution, towers of two calorimeters, in the manner of Delphes for CMS",
        "failed_grooming": "jets that soft drop empties have z_g = 0 and ln_rho = 0",
    }
