"""Calorimeter geometries by name.

A geometry's name travels with the showers as an attribute of their file. Crystal arrays of any size are named
`crystals_{rows}x{columns}`: PbWO4 crystals of 30 x 30 mm, 240 mm deep (27 radiation lengths), as in SQuIRELS
(arXiv:2308.12339, section 3).
"""

from __future__ import annotations

import re

from hepjax.types import Geometry, InputError

_CRYSTALS = re.compile(r"crystals_([1-9]\d{0,3})x([1-9]\d{0,3})")
_CRYSTAL_MM = (30.0, 30.0, 240.0)

KNOWN = ("crystals_10x10",)
"""Geometries that `infer` recognises by their number of voxels."""


def named(name: str) -> Geometry:
    """The geometry of a name; raises InputError with the known names.

    >>> named("crystals_10x10").shape
    (10, 10)
    """
    match = _CRYSTALS.fullmatch(name)
    if match is None:
        raise InputError(f"unknown geometry {name!r}, expected one of {', '.join(KNOWN)}, or crystals_RxC")
    rows, columns = (int(n) for n in match.groups())
    return Geometry(name=name, shape=(rows, columns), pitch_mm=_CRYSTAL_MM)


def infer(voxels: int) -> Geometry:
    """The known geometry with this number of voxels; raises InputError when there is none.

    >>> infer(100).name
    'crystals_10x10'
    """
    for geometry in map(named, KNOWN):
        if geometry.voxels == voxels:
            return geometry
    known = ", ".join(f"{g.name} ({g.voxels})" for g in map(named, KNOWN))
    raise InputError(f"no known geometry has {voxels} voxels, expected one of {known}, or the name of a geometry")
