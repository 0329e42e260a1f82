"""Calorimeter geometries by name.

A geometry's name travels with the showers as an attribute of their file. Crystal arrays of any size are named
`crystals_{rows}x{columns}`: PbWO4 crystals of 30 x 30 mm, 240 mm deep (27 radiation lengths), as in SQuIRELS
(arXiv:2308.12339, section 3). `lar_3layers` is a sampling calorimeter of lead and liquid argon, 80 x [2 mm Pb, 4 mm
LAr] in a cube of 480 mm, with strips in front of two layers of towers, as in CaloGAN (arXiv:1712.10321); its cells
are the energy in the argon, without a threshold. `calochallenge_*` are the four of the CaloChallenge
(arXiv:2410.21611, section 2), in polar coordinates around the shower's axis.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from hepjax.types import Geometry, InputError, Layer, PolarLayer

_CRYSTALS = re.compile(r"crystals_([1-9]\d{0,3})x([1-9]\d{0,3})")
_CRYSTAL_MM = (30.0, 30.0, 240.0)

_LAR = (
    Layer(shape=(3, 96), pitch_mm=(160.0, 5.0), depth_mm=90.0),
    Layer(shape=(12, 12), pitch_mm=(40.0, 40.0), depth_mm=348.0),
    Layer(shape=(12, 6), pitch_mm=(40.0, 80.0), depth_mm=42.0),
)

_PHOTONS = (
    PolarLayer((0, 5, 10, 30, 50, 100, 200, 400, 600), alpha_bins=1, number=0),
    PolarLayer((0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200), alpha_bins=10, number=1),
    PolarLayer(
        (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400), alpha_bins=10, number=2
    ),
    PolarLayer((0, 50, 100, 200, 400, 600), alpha_bins=1, number=3),
    PolarLayer((0, 100, 200, 400, 1000, 2000), alpha_bins=1, number=12),
)
_PIONS = (
    PolarLayer((0, 5, 10, 30, 50, 100, 200, 400, 600), alpha_bins=1, number=0),
    PolarLayer((0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200), alpha_bins=10, number=1),
    PolarLayer((0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400), alpha_bins=10, number=2),
    PolarLayer((0, 50, 100, 200, 400, 600), alpha_bins=1, number=3),
    PolarLayer((0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 1000, 2000), alpha_bins=10, number=12),
    PolarLayer(
        (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 600, 1000, 2000), alpha_bins=10, number=13
    ),
    PolarLayer((0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000), alpha_bins=1, number=14),
)


def polar(name: str, layers: Sequence[PolarLayer], threshold_mev: float = 0.0) -> Geometry:
    """The geometry of layers in polar coordinates; equal ones unroll from the grid (layers, alpha, r)."""
    shapes = {layer.shape for layer in layers}
    shape = (len(layers), *layers[0].shape) if len(shapes) == 1 else (sum(layer.voxels for layer in layers),)
    return Geometry(name, shape, threshold_mev, polar=tuple(layers))


def _cylinder(name: str, alpha_bins: int, rings: int, width_mm: float) -> Geometry:
    """45 equal layers; the threshold is 0.5 keV in the silicon, over a sampling fraction of 0.033."""
    edges = tuple(round(width_mm * k, 4) for k in range(rings + 1))
    layers = [PolarLayer(edges, alpha_bins, number) for number in range(45)]
    return polar(name, layers, threshold_mev=0.5e-3 / 0.033)


_NAMED = {
    "lar_3layers": Geometry("lar_3layers", shape=(sum(layer.voxels for layer in _LAR),), layers=_LAR),
    "calochallenge_1_photons": polar("calochallenge_1_photons", _PHOTONS, threshold_mev=1.0),
    "calochallenge_1_pions": polar("calochallenge_1_pions", _PIONS, threshold_mev=1.0),
    "calochallenge_2": _cylinder("calochallenge_2", alpha_bins=16, rings=9, width_mm=4.65),
    "calochallenge_3": _cylinder("calochallenge_3", alpha_bins=50, rings=18, width_mm=2.325),
}

KNOWN = ("crystals_10x10", *_NAMED)
"""Geometries that `infer` recognises by their number of voxels."""


def named(name: str) -> Geometry:
    """The geometry of a name; raises InputError with the known names.

    >>> named("crystals_10x10").shape
    (10, 10)
    >>> [layer.shape for layer in named("lar_3layers").layers]
    [(3, 96), (12, 12), (12, 6)]
    >>> named("calochallenge_2").shape
    (45, 16, 9)
    """
    if name in _NAMED:
        return _NAMED[name]
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
