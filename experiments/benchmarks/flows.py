"""Densities and draws a second, hepjax against zuko (PyTorch): same architecture, data and batch.

    .venv/bin/python experiments/benchmarks/flows.py

Needs the extra `bench`, and some minutes on 2 cores that are otherwise idle. Events of 8 coordinates with 2 conditions,
5 transforms with nets of two layers of 64, batches of 1,024; each framework starts its own
way and is moved from there by noise of the same size; all numbers that come out must be finite.

    coupling        rational-quadratic splines of 8 bins, one half given the other (`zuko.flows.NSF` with passes=2)
    autoregressive  the same splines, each coordinate given those before it (`zuko.flows.NSF`)
    affine          an affine masked autoregressive flow (`zuko.flows.MAF`): little but matrix products

The architectures do not agree in every number: zuko has ReLU where hepjax has SiLU and activation normalisation, and
its coupling is a masked net of all coordinates. hepjax has all cores that are open to the process (or one with
`NPROC=1`), PyTorch all or one, whichever a trial finds faster. Repeats take turns, so that a change of load meets all;
ratios are of the medians. Results with versions and date: `experiments/benchmarks/results/`.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import bridge_training as bench
import jax
import jax.numpy as jnp
import numpy as np
import torch
import tyro
import zuko

from hepjax import flows, report
from hepjax.provenance import provenance
from hepjax.types import Flow, Params

DIM, DIM_COND, BATCH = 8, 2, 1024
SHAPE: dict[str, Any] = {"depth": 5, "hidden": (64, 64), "dim_cond": DIM_COND}
ZUKO: dict[str, Any] = {"features": DIM, "context": DIM_COND, "transforms": 5, "hidden_features": (64, 64)}


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "flows.json"
    """File of the results."""
    repeats: int = 9
    """Times that each framework has its turn."""
    batches: int = 20
    """Batches in a turn."""


class Case(NamedTuple):
    """The same flow in both frameworks."""

    flow: Flow
    zuko: torch.nn.Module


def main(options: Options) -> None:
    """Time both frameworks, write and print the results."""
    jax.config.update("jax_platforms", "cpu")
    load = os.getloadavg()[0]
    results: dict[str, Any] = {
        "events_per_second": {name: time_case(name, case, options) for name, case in cases().items()},
        "batch_size": BATCH,
        "provenance": provenance() | versions() | {"load_before": load},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results)


def versions() -> dict[str, str]:
    """The other framework and the processor."""
    return {"torch": torch.__version__, "zuko": version("zuko"), "cpu": bench.cpu_model()}


def cases() -> dict[str, Case]:
    """The flows to compare."""
    splines, base = flows.spline(bins=8), flows.normal(DIM)
    return {
        "coupling": Case(
            flows.transformed(flows.coupling(DIM, splines, **SHAPE), base), zuko.flows.NSF(bins=8, passes=2, **ZUKO)
        ),
        "autoregressive": Case(
            flows.transformed(flows.autoregressive(DIM, splines, **SHAPE), base), zuko.flows.NSF(bins=8, **ZUKO)
        ),
        "affine": Case(
            flows.transformed(flows.autoregressive(DIM, flows.affine(), **SHAPE), base), zuko.flows.MAF(**ZUKO)
        ),
    }


def time_case(name: str, case: Case, options: Options) -> dict[str, Any]:
    """Rates of `log_prob` and `sample` in both frameworks."""
    params = away_from_start(case)
    rng = np.random.default_rng(0)
    x, cond = (rng.standard_normal((BATCH, d), np.float32) for d in (DIM, DIM_COND))
    rows = {}
    for job, contestants in {
        "log_prob": log_probs(case, params, x, cond, options.batches),
        "sample": samples(case, params, cond, options.batches),
    }.items():
        rows[job] = bench.measure(contestants, BATCH * options.batches, options.repeats)
        bench.show(f"{name}, {job}", rows[job])
    return rows


def away_from_start(case: Case, size: float = 0.1) -> Params:
    """hepjax's parameters; in both frameworks noise is added, so that no output is zero and no spline straight."""
    rng = np.random.default_rng(0)
    params = jax.jit(case.flow.init)(jax.random.key(0))
    with torch.no_grad():
        for p in case.zuko.parameters():
            p += torch.tensor(rng.normal(0, size, p.shape), dtype=p.dtype)
    return jax.tree.map(lambda a: a + jnp.asarray(rng.normal(0, size, a.shape), a.dtype), params)


def log_probs(case: Case, params: Params, x: np.ndarray, cond: np.ndarray, batches: int) -> bench.Contestants:
    """The density of a batch, several times."""
    log_prob = jax.jit(case.flow.log_prob)
    events, conditions = jnp.asarray(x), jnp.asarray(cond)
    tensors = torch.tensor(x), torch.tensor(cond)
    return {
        "hepjax": lambda: repeat(lambda: log_prob(params, events, conditions).block_until_ready(), batches),
        "torch_eager": without_gradients(lambda: repeat(lambda: case.zuko(tensors[1]).log_prob(tensors[0]), batches)),
    }


def samples(case: Case, params: Params, cond: np.ndarray, batches: int) -> bench.Contestants:
    """One event for every condition of a batch, several times."""
    key, conditions, tensor = jax.random.key(0), jnp.asarray(cond), torch.tensor(cond)
    return {
        "hepjax": lambda: repeat(lambda: case.flow.sample(key, params, conditions).block_until_ready(), batches),
        "torch_eager": without_gradients(lambda: repeat(lambda: case.zuko(tensor).sample(), batches)),
    }


def repeat(run: Callable[[], Any], times: int) -> float:
    """Runs several times; returns how many numbers came out finite in the last one."""
    for _ in range(times - 1):
        run()
    return float(np.isfinite(np.asarray(run())).sum())


def without_gradients(run: Callable[[], float]) -> Callable[[], float]:
    """What PyTorch should run, in inference mode."""

    def quiet() -> float:
        with torch.inference_mode():
            return run()

    return quiet


if __name__ == "__main__":
    main(tyro.cli(Options))
