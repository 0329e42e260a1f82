"""The known observables of jets: their axis labels, and the bins of public unfolding comparisons.

Any other column shows its name and unit, in bins over most of the reference.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from hepjax.columns import point_masses
from hepjax.metrics.histograms import linear_edges
from hepjax.types import Column

BINS = 29
CENTRAL = 0.99
FAR = 3  # a point mass, such as -999, that makes the range so many times as wide is left outside


class _Jet(NamedTuple):
    """Axis label with unit; the range of the histograms, where public comparisons share one (arXiv:2308.12351)."""

    label: str
    range: tuple[float, float] | None = None


_KNOWN = {
    "pt_gev": _Jet(r"Jet transverse momentum $p_\mathrm{T}$ [GeV]"),
    "rapidity": _Jet(r"Jet rapidity $y$"),
    "mass_gev": _Jet(r"Jet mass $m$ [GeV]", (1.0, 60.0)),
    # In place of the public 4 to 60, 29 bins of two whole numbers each: bins of 1.93 hold now one, now two.
    "multiplicity": _Jet(r"Jet constituent multiplicity $n$", (3.5, 61.5)),
    "width": _Jet(r"Jet width $w$", (0.0, 0.6)),
    "ln_rho": _Jet(r"Groomed jet mass $\mathrm{ln}\,\rho$", (-14.0, -2.0)),
    "z_g": _Jet(r"Groomed momentum fraction $z_g$", (0.05, 0.55)),
    "tau21": _Jet(r"$N$-subjettiness ratio $\tau_{21}$", (0.1, 1.1)),
    "z_pt_gev": _Jet(r"$Z$ transverse momentum $p_\mathrm{T}^Z$ [GeV]"),
}


def label(column: Column) -> str:
    """Axis label of an observable, with its unit.

    >>> label(Column("mass_gev", "GeV")), label(Column("energy", "TeV")), label(Column("c2"))
    ('Jet mass $m$ [GeV]', 'energy [TeV]', 'c2')
    """
    if column.name in _KNOWN:
        return _KNOWN[column.name].label
    return f"{column.name} [{column.unit}]" if column.unit else column.name


def public_edges(column: Column, reference: Float[np.ndarray, " n"]) -> Float[np.ndarray, " 30"]:
    """29 equal bins over the range of public comparisons, or over the central 99 percent of the reference.

    The latter where there is no public range, or less than half of the reference is in it, as of other jets. A fill
    value far away from all others is outside of them.
    """
    known = _KNOWN.get(column.name)
    if known is not None and known.range is not None:
        low, high = known.range
        if np.mean((reference >= low) & (reference <= high)) >= 0.5:
            return np.linspace(low, high, BINS + 1)
    edges = linear_edges(reference, bins=BINS, coverage=CENTRAL)
    others = reference[~np.isin(reference, point_masses(reference))]
    if len(others) in (0, len(reference)):
        return edges
    inner = linear_edges(others, bins=BINS, coverage=CENTRAL)
    return inner if FAR * np.ptp(inner) < np.ptp(edges) else edges
