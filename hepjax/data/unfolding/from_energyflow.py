"""Z + jets of OmniFold (arXiv:1911.09107; Zenodo 3548091), in the files that the package EnergyFlow loads.

`{Pythia26,Herwig}_Zjet_pTZ-200GeV_{i}.npz` hold arrays for the leading jet, named `gen_` or `sim_` and a key: `jets`
(pT, y, phi, m) in GeV, `mults`, `widths`, `sdms` (soft-drop mass in GeV), `zgs`, `tau2s`, all paired by row. Beside
them may be `weight`, `pass_gen` and `pass_reco`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from hepjax.data.addresses import Address, require_file
from hepjax.data.names import listed
from hepjax.data.unfolding.checks import check_rows
from hepjax.data.unfolding.columns import column, select
from hepjax.data.unfolding.records import Asked, Content, decoded, extras_of, float32, require_no_group
from hepjax.types import Column, InputError

Arrays = Mapping[str, np.ndarray]
EXPECTED = "a file of EnergyFlow's Z + jets (.npz)"


def read(address: Address, asked: Asked) -> Content:
    """Build the observables asked for, of those in `OBSERVABLES_OF`; raises InputError for a file that is not whole."""
    columns = {level: select(_COLUMNS, names, address.key(level)) for level, names in asked.items()}
    require_file(address.path, EXPECTED)
    require_no_group(address)
    with decoded(address, EXPECTED):
        archive = np.load(address.path)
    with archive:
        arrays = {level: _arrays(archive, address, level, chosen) for level, chosen in columns.items()}
        names = list(archive)
        with decoded(address, EXPECTED):
            extras = {key: archive[key] for key in extras_of(asked) if key in archive}
    check_rows({f"{level}_{key}": len(array) for level, of in arrays.items() for key, array in of.items()}, address)
    values = {}
    for level, chosen in columns.items():
        built = np.stack([OBSERVABLES_OF[c.name][1](arrays[level]) for c in chosen], axis=-1)
        values[level] = float32(address.key(level), built)
    return Content(values, columns, extras, names)


def _ln_rho(arrays: Arrays) -> np.ndarray:
    """ln(m_SD^2 / pT^2); 0 for a jet without groomed mass, as SBUnfold has it, where OmniFold has ln(1e-100)."""
    ratio = arrays["sdms"] / arrays["jets"][:, 0]
    return 2 * np.log(ratio, out=np.zeros_like(ratio), where=ratio > 0)


def _tau21(arrays: Arrays) -> np.ndarray:
    """2-subjettiness over 1-subjettiness, which for beta = 1 is the width; 0 for a jet without width."""
    width = arrays["widths"]
    return np.divide(arrays["tau2s"], width, out=np.zeros_like(width), where=width > 0)


OBSERVABLES_OF: dict[str, tuple[tuple[str, ...], Callable[[Arrays], np.ndarray]]] = {
    "pt_gev": (("jets",), lambda arrays: arrays["jets"][:, 0]),
    "rapidity": (("jets",), lambda arrays: arrays["jets"][:, 1]),
    "mass_gev": (("jets",), lambda arrays: arrays["jets"][:, 3]),
    "multiplicity": (("mults",), lambda arrays: arrays["mults"]),
    "width": (("widths",), lambda arrays: arrays["widths"]),
    "ln_rho": (("sdms", "jets"), _ln_rho),
    "z_g": (("zgs",), lambda arrays: arrays["zgs"]),
    "tau21": (("tau2s", "widths"), _tau21),
}
"""An observable: the arrays that it is made of, and how."""

_COLUMNS = tuple(column(name) for name in OBSERVABLES_OF)


def _arrays(archive: Arrays, address: Address, level: str, columns: Sequence[Column]) -> dict[str, np.ndarray]:
    """The arrays that these columns are made of, by key, as float64."""
    keys = dict.fromkeys(key for c in columns for key in OBSERVABLES_OF[c.name][0])
    return {key: _array(archive, address, f"{level}_{key}", axes=2 if key == "jets" else 1) for key in keys}


def _array(archive: Arrays, address: Address, name: str, axes: int) -> np.ndarray:
    if name not in archive:
        found = listed(archive, "nothing")
        raise InputError(f"{address.key(name)}: missing key {name}, expected it in the file (found: {found})")
    with decoded(address, EXPECTED):
        array = archive[name]
    if array.dtype.kind not in "fiu" or array.ndim != axes:
        found = f"{array.dtype} of shape {array.shape}"
        raise InputError(f"{address.key(name)}: {found}, expected numbers with {axes} axes")
    return array.astype(np.float64)
