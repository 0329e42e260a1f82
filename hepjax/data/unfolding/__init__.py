"""Events of unfolding: simulation in pairs of particle level (gen) and detector level (sim, reco), and data.

In HDF5, an address `file.hdf5:group` names a group with the data sets `gen` (N, d) and `sim` (N, e), and where needed
`weight` (N,), `pass_gen` (N,) and `pass_reco` (N,). The attribute `columns` of a data set, its group or the file names
the columns; the attribute `units` tells their units, else the suffix of a name does: _gev, _tev, _mev, _mm. Columns
are selected by name, so that their order in the file does not matter. By the suffix of the path, the same functions
read `.npz` of EnergyFlow's Z + jets, `.root` (`file.root:tree`) and `.parquet`.

Unfolded events are written as HDF5 or parquet with the metadata that publishing them needs.
"""

from hepjax.data.unfolding.checks import check, check_gen, check_measured
from hepjax.data.unfolding.columns import OBSERVABLES
from hepjax.data.unfolding.publishing import (
    check_unfolded,
    read_parts,
    read_unfolded,
    require_format,
    write,
    write_part,
)
from hepjax.data.unfolding.reading import read, read_measured, read_truth

__all__ = [
    "OBSERVABLES",
    "check",
    "check_gen",
    "check_measured",
    "check_unfolded",
    "read",
    "read_measured",
    "read_parts",
    "read_truth",
    "read_unfolded",
    "require_format",
    "write",
    "write_part",
]
