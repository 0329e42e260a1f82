"""Readers and writers of the field's files, calorimeter geometries, output folders and the embedded samples."""

from hepjax.data import binning, geometry, output, samples, showers, submission, tables, unfolding
from hepjax.data.addresses import Address

__all__ = [
    "Address",
    "binning",
    "geometry",
    "output",
    "samples",
    "showers",
    "submission",
    "tables",
    "unfolding",
]
