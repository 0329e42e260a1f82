"""What the CaloChallenge has published of its submissions, and of Geant4's own further showers (arXiv:2410.21611)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import NamedTuple

from hepjax.caching import cached
from hepjax.metrics.bootstrap import Estimate
from hepjax.types import InputError

SOURCE = "arXiv:2410.21611"
BATCHES = (1, 100, 10_000)
"""Showers at once, of the times."""
GEANT4 = "Geant4"
"""The model whose row is the floor: other showers of Geant4, scored as a submission is."""
SCORES = ("auc_low", "auc_high", "auc_cnn", "fpd", "kpd", "precision", "recall", "density", "coverage")
BEST = 5
"""Submissions that count as the best ones."""

Times = tuple[float | None, float | None, float | None]


class Submission(NamedTuple):
    """A generator's numbers.

    scores: those of `SCORES` that are published, FPD and KPD times 1e3; the error is NaN where none is given. gpu_ms,
    cpu_ms: milliseconds a shower at each of `BATCHES`, None where it did not run. parameters: of the generator.
    """

    model: str
    scores: Mapping[str, Estimate]
    gpu_ms: Times
    cpu_ms: Times
    parameters: float | None


def published(dataset: str, chosen: Sequence[str] = ("all",)) -> tuple[Submission, ...]:
    """Submissions to a data set (1-photons, 1-pions, 2 or 3), the least FPD first, among them Geant4's own row.

    chosen: `all`; `best`, the five of the least FPD; or names, in any case. Geant4 is always among them. Raises
    InputError for another data set, and for a model that has no row there.

    >>> [submission.model for submission in published("3", ["best"])]
    ['Geant4', 'CaloDREAM', 'CaloDiffusion', 'conv. L2LFlows', 'CaloScore single-shot', 'MDMA']
    """
    tables = _tables()
    if dataset not in tables:
        raise InputError(f"unknown data set {dataset!r}, expected one of {', '.join(tables)}")
    rows = tables[dataset]
    wanted = {name.lower() for name in chosen}
    known = {row.model.lower() for row in rows}
    if unknown := sorted(wanted - known - {"all", "best"}):
        models = ", ".join(row.model for row in rows)
        raise InputError(f"no submission {unknown[0]!r} to data set {dataset}, expected all, best, or of {models}")
    if "best" in wanted:
        wanted |= {row.model.lower() for row in [row for row in rows if row.model != GEANT4][:BEST]}
    return tuple(row for row in rows if "all" in wanted or row.model.lower() in wanted or row.model == GEANT4)


@cached
def _tables() -> dict[str, tuple[Submission, ...]]:
    text = files("hepjax.report").joinpath("published.json").read_text(encoding="utf-8")
    tables = json.loads(text, parse_int=float)
    columns = tables.pop("columns")
    rows = {d: [_submission(dict(zip(columns, row, strict=True))) for row in table] for d, table in tables.items()}
    return {d: tuple(sorted(table, key=lambda row: row.scores["fpd"].value)) for d, table in rows.items()}


def _submission(row: Mapping) -> Submission:
    def with_error(name: str) -> Estimate:
        error = row.get(f"{name}_error")
        return Estimate(row[name], math.nan if error is None else error)

    gpu, cpu = (tuple(row[f"{device}_ms_{batch}"] for batch in BATCHES) for device in ("gpu", "cpu"))
    scores = {name: with_error(name) for name in SCORES if row[name] is not None}
    return Submission(row["model"], scores, gpu, cpu, row["parameters"])
