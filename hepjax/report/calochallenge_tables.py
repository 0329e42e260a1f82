"""Results of an evaluation by the CaloChallenge's metrics as tables, in CSV and in LaTeX."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from hepjax.files import atomic_write
from hepjax.metrics.bootstrap import Estimate
from hepjax.metrics.calochallenge import CaloComparison

_INPUTS = {
    "low": "voxels",
    "low_normed": "normalised voxels",
    "high": "high-level features",
    "cnn": "voxels, convolutional",
}
LABELS = {
    **{f"auc_{name}": f"AUC, {inputs}" for name, inputs in _INPUTS.items()},
    **{f"jsd_{name}": f"JSD, {inputs}" for name, inputs in _INPUTS.items()},
    "fpd": "FPD x 1e3",
    "kpd": "KPD x 1e3",
    "precision": "Precision",
    "recall": "Recall",
    "density": "Density",
    "coverage": "Coverage",
    "log_posterior": "Log-posterior",
}
"""The scores, in the order of the tables."""
COUNTED = "separation_all"
"""The separation power that has a floor: with what lies outside the bins."""
_ESCAPES = str.maketrans(
    {c: f"\\{c}" for c in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)

Cell = Estimate | float | None


class Row(NamedTuple):
    """A line of a table: a stable key, its label, and a cell a column, None where there is nothing to say."""

    key: str
    label: str
    cells: tuple[Cell, ...]


class Table(NamedTuple):
    """heads: of the columns of cells. A column holds estimates with errors, or plain numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[Row, ...]


def samples(comparison: CaloComparison) -> tuple[str, ...]:
    """The samples that are scored: submissions, then the baseline if any."""
    return (*comparison.generated, *([] if comparison.baseline is None else [comparison.baseline]))


def separations(comparison: CaloComparison) -> dict[str, Mapping[str, Mapping[str, float]]]:
    """By sample and observable the rows of separation powers; empty where none was asked for."""
    found = {name: comparison.scores[name].get("separation") for name in samples(comparison)}
    return {name: rows for name, rows in found.items() if rows}


def beyond_floor(row: Mapping[str, float]) -> bool:
    """Whether the separation power of an observable lies beyond the 99 percent quantile of its floor."""
    return row[COUNTED] > row[f"{COUNTED}_floor_99"]


def estimate(scores: Mapping[str, Any], name: str) -> Estimate | None:
    """A score with its error (NaN where it has none); None where it was not asked for."""
    return Estimate(scores[name], scores.get(f"{name}_error", math.nan)) if name in scores else None


def metrics_table(comparison: CaloComparison) -> Table:
    """The scores that were asked for, one column a sample."""
    names = samples(comparison)
    rows = []
    for key, label in LABELS.items():
        found = tuple(estimate(comparison.scores[name], key) for name in names)
        if any(found):
            rows.append(Row(key, label, found))
    return Table("Metric", names, tuple(rows))


def separation_table(comparison: CaloComparison) -> Table:
    """One row an observable, its share outside the bins in the reference first; of every sample that share, the
    published separation power, and the one that counts what lies outside with its floor.
    """
    parts = {"outside": ": outside", "separation": "", COUNTED: ": with outside"}
    parts |= {f"{COUNTED}_floor_mean": ": floor", f"{COUNTED}_floor_99": ": 99% of floor"}
    parts |= {f"{COUNTED}_ratio": ": ratio to floor"}
    by_sample = separations(comparison)
    heads = (f"{comparison.reference}: outside", *(f"{name}{part}" for name in by_sample for part in parts.values()))
    rows = []
    for observable, of_first in next(iter(by_sample.values()), {}).items():
        cells = (rows[observable][part] for rows in by_sample.values() for part in parts)
        rows.append(Row(observable, observable.replace("_", " "), (of_first["outside_reference"], *cells)))
    return Table("Observable", heads, tuple(rows))


def to_csv(table: Table) -> str:
    """Keys and full precision; a column of estimates is followed by one of their errors."""
    columns: dict[str, list[Any]] = {table.title.lower(): [row.key for row in table.rows]}
    for head, cells in zip(table.heads, zip(*(row.cells for row in table.rows), strict=True), strict=True):
        estimates = [cell if isinstance(cell, Estimate) else None for cell in cells]
        if any(estimates):
            columns[head] = [cell and cell.value for cell in estimates]
            columns[f"{head} error"] = [cell and cell.error for cell in estimates]
        else:
            columns[head] = list(cells)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()


def to_latex(table: Table) -> str:
    """A tabular in the style of the package booktabs."""
    head = " & ".join(escape(text) for text in (table.title, *table.heads))
    body = [" & ".join([escape(row.label), *map(_latex, row.cells)]) for row in table.rows]
    lines = [f"\\begin{{tabular}}{{l{'r' * len(table.heads)}}}", "\\toprule", f"{head} \\\\", "\\midrule"]
    return "\n".join([*lines, *(f"{line} \\\\" for line in body), "\\bottomrule", "\\end{tabular}", ""])


def write_tables(folder: str | os.PathLike[str], tables: Mapping[str, Table]) -> None:
    """Write tables by name, those that have rows, as .csv and .tex into a folder made when missing."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        for suffix, text in ((".csv", to_csv(table)), (".tex", to_latex(table))) if table.rows else ():
            with atomic_write(Path(folder) / f"{name}{suffix}") as path:
                path.write_text(text, encoding="utf-8")


def rounded(value: float, error: float = math.nan) -> tuple[str, str]:
    """A number and its error to two significant digits of the error; to four of the number, where that has no error.

    >>> rounded(0.51234, 0.0123), rounded(733.0)
    (('0.512', '0.012'), ('733', ''))
    """
    if not (math.isfinite(error) and error > 0):
        return f"{value:.4g}", ""
    decimals = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{decimals}f}", f"{error:.{decimals}f}"


def escape(text: str) -> str:
    """Text for LaTeX.

    >>> escape("50% of calo_flow")
    '50\\\\% of calo\\\\_flow'
    """
    return text.translate(_ESCAPES)


def _latex(cell: Cell) -> str:
    if cell is None:
        return "--"
    value, error = rounded(*cell) if isinstance(cell, Estimate) else rounded(cell)
    if "e" in value:
        digits, power = value.split("e")
        value = rf"{digits} \times 10^{{{int(power)}}}"
    return f"${value} \\pm {error}$" if error else f"${value}$"
