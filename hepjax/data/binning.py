"""Geometries from the CaloChallenge's binning files (arXiv:2410.21611, section 2).

The XML of such a file has one `Bin` a particle, with one `Layer` for each layer of the experiment:

    <Bins>
       <Bin pid="22" name="photon">
          <Layer id="0" r_edges="0,5,10,30" n_bin_alpha="1" />
          <Layer id="1" r_edges="0" n_bin_alpha="1" />

The edges are mm; a layer with a single one is not read out.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hepjax.data import geometry
from hepjax.data.addresses import require_file
from hepjax.types import Geometry, InputError, PolarLayer

EXPECTED = "a binning file of the CaloChallenge"


def read_binning(
    path: str | os.PathLike[str], particle: str | None = None, name: str | None = None, threshold_mev: float = 0.0
) -> Geometry:
    """Read the geometry of a binning file.

    particle: the name or pid of the one to read, where the file has several. name: of the geometry, by default that of
    the file. threshold_mev: of the voxels, which the file does not say. Raises InputError, one line with file, layer
    and expectation, for whatever is wrong with the file.
    """
    path = Path(path)
    require_file(path, EXPECTED)
    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the latter two for its declared encoding
        raise InputError(f"{path}: not XML ({error}), expected {EXPECTED}") from error
    elements = _particle(root, path, particle).iter("Layer")
    layers = [layer for layer in (_layer(element, path) for element in elements) if layer]
    numbers = [layer.number for layer in layers]
    if not layers or len(set(numbers)) < len(numbers):
        raise InputError(f"{path}: layers {numbers} are read out, expected one or more, each once")
    return geometry.polar(name or path.stem, layers, threshold_mev)


def _particle(root: Element, path: Path, particle: str | None) -> Element:
    bins = list(root.iter("Bin"))
    chosen = [one for one in bins if particle is None or particle in (one.get("name"), one.get("pid"))]
    if len(chosen) == 1:
        return chosen[0]
    known = ", ".join(one.get("name") or one.get("pid") or "without a name" for one in bins) or "none"
    asked = f"the option particle {particle}" if particle else "one, or a choice by the option particle"
    raise InputError(f"{path}: element Bin of particles {known}, expected {asked}")


def _layer(element: Element, path: Path) -> PolarLayer | None:
    """A layer, or None where it is not read out."""
    where = f"{path}: layer {element.get('id')}"
    number = _value(element, "id", int, where, "an integer")
    edges = _value(element, "r_edges", _numbers, where, "numbers in mm, separated by commas")
    alpha_bins = _value(element, "n_bin_alpha", int, where, "an integer")
    if alpha_bins < 1:
        raise InputError(f"{where}: n_bin_alpha is {alpha_bins}, expected at least 1")
    if len(edges) == 1:
        return None
    rising = all(low < high for low, high in itertools.pairwise(edges))
    if not (rising and edges[0] >= 0 and math.isfinite(edges[-1])):
        raise InputError(f"{where}: r_edges {element.get('r_edges')}, expected rising finite numbers of zero or above")
    return PolarLayer(edges, alpha_bins, number)


def _value(element: Element, key: str, read: Callable[[str], Any], where: str, expected: str) -> Any:
    text = element.get(key)
    if text is None:
        raise InputError(f"{where}: no attribute {key}, expected {expected}")
    try:
        return read(text)
    except ValueError:
        raise InputError(f"{where}: {key} is {text!r}, expected {expected}") from None


def _numbers(text: str) -> tuple[float, ...]:
    return tuple(float(number) for number in text.split(","))
