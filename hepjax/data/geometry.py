"""Calorimeter geometries by name.

A geometry's name travels with the showers as an attribute of their file. Crystal arrays of any size are named
`crystals_{rows}x{columns}`: PbWO4 crystals of 30 x 30 mm, 240 mm deep (27 radiation lengths), as in SQuIRELS
(arXiv:2308.12339, section 3). `lar_3layers` is a sampling calorimeter of lead and liquid argon, 80 x [2 mm Pb, 4 mm
LAr] in a cube of 480 mm, with strips in front of two layers of towers, as in CaloGAN (arXiv:1712.10321); its cells
are the energy in the argon, without a threshold.
"""

from __future__ import annotations

import re

from hepjax.types import Geometry, InputError, Layer

_CRYSTALS = re.compile(r"crystals_([1-9]\d{0,3})x([1-9]\d{0,3})")
_CRYSTAL_MM = (30.0, 30.0, 240.0)

_LAR = (
    Layer(shape=(3, 96), pitch_mm=(160.0, 5.0), depth_mm=90.0),
    Layer(shape=(12, 12), pitch_mm=(40.0, 40.0), depth_mm=348.0),
    Layer(shape=(12, 6), pitch_mm=(40.0, 80.0), depth_mm=42.0),
)
_LAYERED = {"lar_3layers": Geometry("lar_3layers", shape=(sum(layer.voxels for layer in _LAR),), layers=_LAR)}

KNOWN = ("crystals_10x10", *_LAYERED)
"""Geometries that `infer` recognises by their number of voxels."""


def named(name: str) -> Geometry:
    """The geometry of a name; raises InputError with the known names.

    >>> named("crystals_10x10").shape
    (10, 10)
    >>> [layer.shape for layer in named("lar_3layers").layers]
    [(3, 96), (12, 12), (12, 6)]
    """
    if name in _LAYERED:
        return _LAYERED[name]
    match = _CRYSTALS.fullmatch(name)
    if match is None:
        raise InputError(f"unknown geometry {name!r}, expected one of {', '.join(KNOWN)}, or crystals_RxC")
    rows, columns = (int(n) for n in match.groups())
    return Geometry(name=name, shape=(rows, columns), pitch_mm=_CRYSTAL_MM)


def infer(voxels: int) -> Geometry:
    """The known geometry with this number of voxels; raises InputError when there is none.

    >>> infer(504).name
    'lar_3layers'
    """
    for geometry in map(named, KNOWN):
        if geometry.voxels == voxels:
            return geometry
    known = ", ".join(f"{g.name} ({g.voxels})" for g in map(named, KNOWN))
    raise InputError(f"no known geometry has {voxels} voxels, expected one of {known}, or the name of a geometry")
