"""Readers and writers of the field's files, calorimeter geometries, output folders and the embedded samples."""

from hepjax.data import geometry, output, samples, showers, tables, unfolding
from hepjax.data.addresses import Address

__all__ = ["Address", "geometry", "output", "samples", "showers", "tables", "unfolding"]
