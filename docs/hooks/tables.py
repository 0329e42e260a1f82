"""What the tables of measured numbers have in common: reading results, writing numbers and Markdown."""

import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "experiments/results"
BENCHMARKS = ROOT / "experiments/benchmarks/results"

Results = Mapping[str, Any]


def read(path: Path) -> dict[str, Any]:
    """Read a file of results."""
    return json.loads(path.read_text(encoding="utf-8"))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown; its first column holds the names of the rows."""
    lines = [list(head), ["---"] * len(head), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def seeds(results: Results, name: str) -> list[Any]:
    """Return the results of all seeds of a method: those of `name_0`, `name_1` and so on."""
    return [results[key] for key in sorted(results) if re.fullmatch(rf"{re.escape(name)}_\d+", key)]


def auc(value: float) -> str:
    """Write an AUC with more digits where it is close to one."""
    return f"{value:.{3 if value < 0.9985 else 4 if value < 0.9999 else 5}f}"


def with_error(value: float, error: float) -> str:
    """Write a value to the digits of its error, which has two digits if they are below 36, and one otherwise."""
    if not error > 0:
        return f"{value:.3g}"
    exponent = math.floor(math.log10(error))
    decimals = max(0, (error < 3.55 * 10**exponent) - exponent)
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def over_seeds(values: Sequence[float], digits: int) -> str:
    """Write the mean and the standard deviation over seeds, or the value of a single one."""
    mean = f"{statistics.fmean(values):.{digits}f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.{digits}f}"


def each(values: Iterable[float], digits: int = 0) -> str:
    """Write the values of all seeds one after the other."""
    return ", ".join(f"{value:.{digits}f}" for value in values)


def significant(values: Sequence[float]) -> str:
    """Write the mean with two significant digits, and without an exponent."""
    mean = statistics.fmean(values)
    return f"{mean:.0f}" if mean >= 10 else f"{mean:#.2g}"


def spread(values: Sequence[float], digits: int) -> str:
    """Write the range of values, or that they are all below a power of ten."""
    if max(values) < 1e-4:
        return f"below 1e{math.ceil(math.log10(max(max(values), 1e-300)))}"
    low, high = f"{min(values):.{digits}f}", f"{max(values):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def beyond(row: Results) -> int:
    """Count the observables whose distance to the truth exceeds the 99 percent quantile of its floor."""
    return sum(o["emd"] > o["emd_floor_99"] for o in row["observables"].values())


def measured(path: Path, script: str) -> str:
    """Say by what, on what and when the results of a file were measured."""
    results = read(path)
    found = results.get("provenance")
    by = f"Measured by `{script}`"
    if found:
        cpu = f", {found['cpu'].replace('(R)', '')}" if "cpu" in found else ""
        by += f" on {found['device']}{cpu}, jax {found['jax']}, {found['date']}"
    return f"*{by}; everything measured is in `{path.relative_to(ROOT)}`.*"
