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
    return Address(Path(__file__).with_name("squirels.hdf5"), group)
