"""Z(-> nu nu) + jets from Pythia 8 (arXiv:2203.11601), with its default shower or with Vincia (arXiv:2003.00702)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from hepjax.data.zjets.particles import Particles
from hepjax.types import InputError

MIN_Z_PT_GEV = 200.0
SHOWERS = {"pythia": (), "vincia": ("PartonShowers:model = 2",)}
"""A shower, and the settings that choose it."""

_SETTINGS = (
    "Print:quiet = on",
    "Beams:eCM = 14000.",
    "WeakBosonAndParton:qqbar2gmZg = on",
    "WeakBosonAndParton:qg2gmZq = on",
    "WeakZ0:gmZmode = 2",
    "23:onMode = off",
    "23:onIfAny = 12 14 16",
    # Below the selection, since showers change the momentum of the Z.
    "PhaseSpace:pTHatMin = 180.",
    "Random:setSeed = on",
)
_MAX_SEED = 900_000_000
_BATCH = 50
_Z, _NEUTRINOS = 23, (12, 14, 16)


class Batch(NamedTuple):
    """Some events of pT(Z) > 200 GeV: their stable visible particles, and z_pt, (events,), the pT of the Z in GeV."""

    particles: Particles
    z_pt: np.ndarray


def version() -> str:
    """The version of Pythia; raises InputError where it is not installed."""
    from importlib.metadata import version

    _require()
    return version("pythia8mc")


def batches(shower: str, seed: np.random.SeedSequence) -> Iterator[Batch]:
    """Events without end, the same for the same shower and seed. Raises InputError without the extra `generators`."""
    generator = _start(shower, seed)
    while True:
        yield _selected(generator.nextBatch(_BATCH).prt)


def _require() -> None:
    try:
        import awkward  # noqa: F401
        import fastjet  # noqa: F401
        import pythia8mc  # noqa: F401
    except ImportError as error:
        install = "expected it installed: pip install 'hepjax[generators]'"
        raise InputError(f"making Z + jets needs {error.name}, {install}") from error


def _start(shower: str, seed: np.random.SeedSequence) -> Any:
    _require()
    import pythia8mc

    generator = pythia8mc.Pythia("", False)
    # Zero would be the time of day.
    number = 1 + int(seed.generate_state(1)[0]) % _MAX_SEED
    for setting in (*_SETTINGS, f"Random:seed = {number}", *SHOWERS[shower]):
        if not generator.readString(setting):
            raise RuntimeError(f"Pythia does not know the setting {setting!r}")
    if not generator.init():
        raise RuntimeError("Pythia could not be started")
    return generator


def _selected(record: Any) -> Batch:
    """The visible final state of the events whose Z has, after all recoils, a pT above 200 GeV."""
    import awkward as ak

    count = ak.to_numpy(ak.num(record))
    flat = ak.flatten(record)
    pdg, final = ak.to_numpy(flat.id), ak.to_numpy(flat.status) > 0
    momentum = np.stack([ak.to_numpy(flat.p[name]) for name in ("px", "py", "pz", "e")], -1)
    entries = Particles(momentum, pdg, count)
    # The record has a copy of the Z for each recoil, in order; the last of an event is the one that decays.
    copies = np.flatnonzero(pdg == _Z)
    events, back = np.unique(entries.event[copies][::-1], return_index=True)
    z = copies[::-1][back]
    z_pt = np.zeros(len(count))
    z_pt[events] = np.hypot(momentum[z, 0], momentum[z, 1])
    passed = z_pt > MIN_Z_PT_GEV
    visible = final & ~np.isin(np.abs(pdg), _NEUTRINOS) & passed[entries.event]
    chosen = entries.select(visible)
    return Batch(chosen._replace(count=chosen.count[passed]), z_pt[passed])
