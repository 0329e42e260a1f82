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


def _embedded(name: str, group: str) -> Address:
    return Address(Path(__file__).with_name(name), group)
