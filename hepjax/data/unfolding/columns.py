"""Observables by name: what a table has, what its units are, and which of them are asked for."""

from __future__ import annotations

from collections.abc import Sequence

from hepjax.data.names import listed
from hepjax.types import Column, InputError

OBSERVABLES = ("mass_gev", "multiplicity", "width", "ln_rho", "z_g", "tau21")
"""The six jet observables unfolded by default, those of OmniFold (arXiv:1911.09107)."""

UNITS = {"gev": "GeV", "tev": "TeV", "mev": "MeV", "mm": "mm"}


def column(name: str, unit: str | None = None) -> Column:
    """A column, with the unit given, else that of the name's suffix, else none.

    >>> column("mass_gev")
    Column(name='mass_gev', unit='GeV')
    >>> column("ln_rho").unit
    ''
    """
    suffix = name.rpartition("_")[2]
    return Column(name, UNITS.get(suffix, "") if unit is None else unit)


def select(found: Sequence[Column], names: Sequence[str] | None, where: str) -> tuple[Column, ...]:
    """The columns of these names, in the order of the names.

    Without names: `OBSERVABLES` where they are all there, else all columns. Raises InputError, with what there is, for
    a name that is not there, for one that is asked for twice, and for no columns at all.
    """
    known = {c.name: c for c in found}
    if names is None:
        names = OBSERVABLES if set(OBSERVABLES) <= set(known) else tuple(known)
    if not names or len(set(names)) != len(names):
        raise InputError(f"{where}: columns {', '.join(names) or 'none'}, expected at least one, and none twice")
    missing = [name for name in names if name not in known]
    if missing:
        expected = f"{', '.join(names)} (found: {listed(known)})"
        raise InputError(f"{where}: no column {', '.join(missing)}, expected {expected}")
    return tuple(known[name] for name in names)
