"""Readers and writers of the field's files, calorimeter geometries, output folders and the embedded samples."""

from hepjax.data import addresses, binning, geometry, output, samples, showers, submission, tables, unfolding, units
from hepjax.data.addresses import Address

__all__ = [
    "Address",
    "addresses",
    "binning",
    "geometry",
    "output",
    "samples",
    "showers",
    "submission",
    "tables",
    "unfolding",
    "units",
]
