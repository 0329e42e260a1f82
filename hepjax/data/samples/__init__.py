"""The samples that come with the package, small enough to embed; provenance is in their attributes."""

from __future__ import annotations

from pathlib import Path

from hepjax.data.addresses import Address


def squirels(group: str = "") -> Address:
    """Electrons of 10..100 GeV in 10 x 10 PbWO4 crystals: GFlash (`fast`) and Geant4 (`full`), unpaired.

    Groups, to be read with `showers.read`: `fast/train` and `full/train` of 3,000 showers to fit, `fast/test` and
    `full/test` of 1,000 others to judge.

    >>> from hepjax.data import showers
    >>> len(showers.read(squirels("full/test")))
    1000
    """
    return _embedded("squirels.hdf5", group)


def lar(group: str = "") -> Address:
    """Geant4 photons of 1..50 GeV in lead and liquid argon (geometry `lar_3layers`), and pairs of photons.

    Groups, to be read with `showers.read`: `photons/train` of 2,000 showers to fit, `photons/test` of 500 others to
    judge; a -> two photons of 20..50 GeV in all, 100 showers each: `diphotons/M5000_L330`, of 5 GeV mass that decays
    330 mm before the face of the calorimeter, and `diphotons/M500_L1000`. Cells are rounded to 2^-13 of their energy,
    and those without energy are exact zeros.

    >>> from hepjax.data import showers
    >>> showers.read(lar("photons/test")).voxels.shape
    (500, 504)
    """
    return _embedded("lar.hdf5", group)


def zjets(group: str = "") -> Address:
    """Leading jets of Z + jets at 14 TeV, simulated by Pythia with two parton showers: gen and sim, paired by row.

    Groups, to be read with `unfolding.read`: `pythia` of 12,000 events, the simulation, and `vincia` of 6,000 events,
    which stand for data of known truth. Columns: the six `unfolding.OBSERVABLES` at both levels; a jet that soft drop
    empties has z_g = 0 and ln_rho = 0. A massless jet may have a mass of some -1e-6 GeV by rounding.

    >>> from hepjax.data import unfolding
    >>> unfolding.read(zjets("pythia")).gen.shape
    (12000, 6)
    """
    return _embedded("zjets.hdf5", group)


def _embedded(name: str, group: str) -> Address:
    return Address(Path(__file__).with_name(name), group)
