"""`hepjax demo`: SQuIRELS on the showers that come with the package, from training to the report."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import jax
from rich.console import Console
from rich.table import Table

from hepjax import data, evaluation, report
from hepjax.app import runs
from hepjax.app.options import Demo
from hepjax.metrics.comparison import Comparison
from hepjax.pipelines import squirels
from hepjax.pipelines.squirels.record import PIPELINE
from hepjax.provenance import provenance
from hepjax.training import read_histories, spec

CONFIG = squirels.Config()
CONFIG = dataclasses.replace(CONFIG, shape_training=dataclasses.replace(CONFIG.shape_training, epochs=40))


def main(options: Demo) -> None:
    """`hepjax demo`."""
    run(options.out, options.seed)


def run(out: Path, seed: int = 0) -> Comparison:
    """Train on 3,000 + 3,000 embedded showers, refine 1,000 others, compare with 1,000 Geant4 ones.

    Leaves the run folder of `hepjax squirels fit`, refined.hdf5 and report.html in `out`, and in its metrics.json the
    AUC of the network before and after (`auc_fast`, `auc_refined`), `seconds_fit` and `ms_per_shower`.
    """
    say = Console()
    fast, full, source, reference = (
        data.showers.read(data.samples.squirels(group))
        for group in ("fast/train", "full/train", "fast/test", "full/test")
    )
    with data.output.claim(out, overwrite=Path(out).exists()) as folder:
        say.print(f"Fitting SQuIRELS to {len(fast)} GFlash and {len(full)} Geant4 showers …")
        asked = {"seed": seed, "sample": "embedded", "config": spec.encode(CONFIG)}
        state, seconds = runs.fill(folder, asked, PIPELINE, jax.random.key(seed), fast, full, CONFIG)
        say.print(f"Fitted in {seconds:.0f} s. Refining {len(source)} other GFlash showers …")
        key = jax.random.key(seed)
        jax.block_until_ready(squirels.refine(key, state, source).voxels)
        started = time.perf_counter()
        refined = squirels.refine(key, state, source)
        jax.block_until_ready(refined.voxels)
        ms = 1e3 * (time.perf_counter() - started) / len(source)
        data.showers.write(folder / "refined.hdf5", refined, {"method": "SQuIRELS", **provenance()})
        say.print(f"Refined at {ms:.2f} ms a shower. Comparing with {len(reference)} Geant4 showers …")
        names = ("Geant4", "refined", "GFlash")
        comparison = evaluation.compare(key, reference, refined, source, train=full, names=names)
        before, after = comparison.metrics["baseline"], comparison.metrics
        extra = {
            "seconds_fit": seconds,
            "ms_per_shower": ms,
            "auc_fast": before["auc_mlp"],
            "auc_refined": after["auc_mlp"],
        }
        inputs = {"sample": str(data.samples.squirels().path.name)}
        history = read_histories(folder / runs.HISTORY)["shape"]
        report.write_report(folder, comparison, inputs | provenance(), history, extra)
    say.print(_summary(comparison))
    for note in comparison.metrics["notes"]:
        say.print(note, markup=False)
    say.print(f"Report: {Path(out) / 'report.html'}", soft_wrap=True, markup=False)
    return comparison


def _summary(comparison: Comparison) -> Table:
    """AUC and EMD before and after, for the terminal."""
    table = Table(title="Against Geant4 (AUC of 0.5: not told apart)")
    for head in ("", "GFlash", "refined"):
        table.add_column(head, justify="left" if not head else "right")
    after, before = comparison.metrics, comparison.metrics["baseline"]
    for name, label in (("mlp", "AUC, network"), ("trees", "AUC, boosted trees")):
        cells = (f"{scores[f'auc_{name}']:.3f} ± {scores[f'auc_{name}_error']:.3f}" for scores in (before, after))
        table.add_row(label, *cells)
    for name in ("sum_over_e", "largest_over_e", "cells_above_1mev"):
        cells = (f"{scores['observables'][name]['emd_ratio']:.1f}" for scores in (before, after))
        table.add_row(f"EMD of {name}, over its floor", *cells)
    return table
