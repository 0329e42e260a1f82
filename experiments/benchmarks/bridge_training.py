"""Training and sampling of bridges in hepjax and in PyTorch: the same net, batch, data, loss and optimiser.

    .venv/bin/python experiments/benchmarks/bridge_training.py

Needs the extra `bench`, and a C++ compiler for `torch.compile`; some two minutes on 2 cores that are otherwise idle.
Before anything is timed, parameters are copied over: the nets must agree on every output, and the losses on the mean;
after it, the trained losses must agree. The data lie in memory as arrays or tensors, without a loader. hepjax has all
cores that are open to the process, PyTorch all or one, whichever a trial finds faster (for small nets it is one, and
`taskset -c 0` gives both no more). Repeats take turns, so that a change of load meets all; ratios are of the medians.

    sbunfold  I2SB as in SBUnfold (arXiv:2308.12351): 13,830 parameters, batch 128
    squirels  flow matching with the default net of SQuIRELS' shape (width 384, 3 blocks), batch 256
    sampling  100 posterior steps of the first bridge for 10,000 events

XLA's threads cost a net as small as the first one more than they give. With `NPROC=1` in the environment XLA keeps to
one, as the trial leaves PyTorch one:

    NPROC=1 .venv/bin/python experiments/benchmarks/bridge_training.py \\
        --out experiments/benchmarks/results/bridge_training_one_thread.json

What to expect against eager PyTorch, on two cores of an AMD EPYC of which another job had part: 4.6 times the steps of
`sbunfold` a second, 6.1 with one thread; 1.4 and 2.0 of `squirels`; sampling 1.0 and 1.1. `torch.compile` changes
little at these sizes. Results with versions and date: `experiments/benchmarks/results/`.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import dataclasses
import functools
import os
import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch_bridges
import tyro

from hepjax import bridges, dynamics, nets, report
from hepjax.pipelines import squirels
from hepjax.provenance import provenance
from hepjax.training.config import Config
from hepjax.training.loop import fit
from hepjax.types import Bridge, Coupled, Net, Params

SCHEDULE = dynamics.Symmetric()
SAMPLED, SAMPLER_STEPS = 10_000, 100
RECIPE = Config(schedule="constant", warmup=0.0, validation=0.0)
# Losses and moments of some 10^4 events scatter by a percent at most.
CHECKED, TOLERANCE = 2**13, 0.05

Contestants = Mapping[str, Callable[[], float]]


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "bridge_training.json"
    """File of the results."""
    repeats: int = 5
    """Times that each framework has its turn."""


class Case(NamedTuple):
    """A bridge to train: its net and loss in both frameworks, the data, and how to train."""

    bridge: Bridge
    net: Net
    torch_net: torch_bridges.SBUnfold | torch_bridges.ResNet
    torch_loss: torch_bridges.Loss
    data: Coupled
    config: Config


def main(options: Options) -> None:
    """Check that both frameworks compute the same, time them, write and print the results."""
    jax.config.update("jax_platforms", "cpu")
    load = os.getloadavg()[0]
    sbunfold = sbunfold_case()
    results: dict[str, Any] = {
        "training_steps_per_second": {
            "sbunfold": time_training("sbunfold", sbunfold, options.repeats),
            "squirels": time_training("squirels", squirels_case(), options.repeats),
        },
        "sampled_events_per_second": time_sampling(sbunfold, options.repeats),
        "provenance": provenance() | {"torch": torch.__version__, "cpu": cpu_model(), "load_before": load},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results)


def time_training(name: str, case: Case, repeats: int) -> dict[str, Any]:
    """Check a case, then time its steps."""
    params = check_case(case)
    steps = case.config.epochs * (len(case.data.source) // case.config.batch_size)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    table = measure(trainers(case, params), steps, repeats)
    show(name, table)
    return {"parameters": parameters, "batch_size": case.config.batch_size, "steps": steps} | table


def time_sampling(case: Case, repeats: int) -> dict[str, Any]:
    """Time the transport of a case's bridge."""
    table = measure(samplers(case, check_case(case)), SAMPLED, repeats)
    show("sampling", table)
    return {"events": SAMPLED, "steps": SAMPLER_STEPS} | table


def sbunfold_case() -> Case:
    """The bridge, net and batch of SBUnfold, on smeared normal observables."""
    net = nets.sbunfold()
    config = dataclasses.replace(RECIPE, epochs=4, epochs_per_call=4, batch_size=128)
    data = smeared(64_000, 6, 0)
    return Case(
        bridges.i2sb(net, schedule=SCHEDULE),
        net,
        torch_bridges.SBUnfold(),
        torch_bridges.i2sb_loss(SCHEDULE),
        data,
        config,
    )


def squirels_case() -> Case:
    """The default net of SQuIRELS' shape bridge and as many events a step, on smeared normal coordinates."""
    default, dim, dim_cond = squirels.Config(), 99, 2
    net = nets.resnet(dim, dim, default.width, default.blocks, dim_cond=dim_cond, time=True)
    batch_size = default.shape_training.batch_size * default.group
    config = dataclasses.replace(RECIPE, epochs=1, batch_size=batch_size)
    data = smeared(32 * batch_size, dim, dim_cond)
    torch_net = torch_bridges.ResNet(dim, default.width, default.blocks, dim_cond)
    return Case(bridges.matching(net), net, torch_net, torch_bridges.matching_loss, data, config)


def smeared(events: int, dim: int, dim_cond: int) -> Coupled:
    """Standard normal target events, sources of the same law with correlation 0.8, and normal conditions."""
    rng = np.random.default_rng(0)
    target, noise = rng.standard_normal((2, events, dim), np.float32)
    cond = jnp.asarray(rng.standard_normal((events, dim_cond), np.float32)) if dim_cond else None
    return Coupled(jnp.asarray(0.8 * target + 0.6 * noise), jnp.asarray(target), cond)


def check_case(case: Case) -> Params:
    """Assert that nets and losses agree at random parameters, in which no layer is zero; returns initial parameters."""
    key_init, key_random, key_time, key_loss = jax.random.split(jax.random.key(0), 4)
    params = jax.jit(case.bridge.init)(key_init)
    leaves, treedef = jax.tree.flatten(params)
    keys = jax.random.split(key_random, len(leaves))
    random = treedef.unflatten([p + 0.1 * jax.random.normal(k, p.shape) for k, p in zip(keys, leaves, strict=True)])
    torch_bridges.copy_parameters(case.torch_net, random)
    batch = jax.tree.map(lambda x: x[:CHECKED], case.data)
    times = jax.random.uniform(key_time, batch.source.shape[:1])
    with torch.inference_mode():
        source, target, cond = tensors(batch)
        output = case.torch_net(source, cond, torch.tensor(np.asarray(times))).numpy()
        value = case.torch_loss(case.torch_net, source, target, cond).item()
    expected = np.asarray(jax.jit(case.net.apply)(random, batch.source, batch.cond, times))
    np.testing.assert_allclose(output, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    expected_value, _ = jax.jit(case.bridge.loss)(key_loss, random, batch)
    np.testing.assert_allclose(value, float(expected_value), rtol=TOLERANCE)
    return params


def tensors(data: Coupled) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
    """Source, target and condition as tensors."""
    source, target = (torch.tensor(np.asarray(x)) for x in (data.source, data.target))
    return source, target, None if data.cond is None else torch.tensor(np.asarray(data.cond))


def trainers(case: Case, params: Params) -> Contestants:
    """A whole training in each framework, from the same parameters; they return the loss of the last epoch."""
    data = tensors(case.data)

    def hepjax():
        fitted = fit(jax.random.key(0), case.bridge, case.data, case.config, params=params)
        return float(fitted.history["loss"][-1])

    def pytorch(loss):
        torch_bridges.copy_parameters(case.torch_net, params)
        return torch_bridges.train(case.torch_net, loss, data, case.config)

    eager = functools.partial(pytorch, case.torch_loss)
    return with_compiled(hepjax, eager, lambda: functools.partial(pytorch, torch.compile(case.torch_loss)))


def samplers(case: Case, params: Params) -> Contestants:
    """The transport of I2SB in each framework; they return the mean square of the events."""
    transport = bridges.i2sb(case.net, schedule=SCHEDULE, steps=SAMPLER_STEPS).transport
    x = case.data.source[:SAMPLED]
    source = torch.tensor(np.asarray(x))
    torch_bridges.copy_parameters(case.torch_net, params)

    def hepjax():
        return float(jnp.mean(transport(jax.random.key(0), params, x) ** 2))

    def pytorch(step):
        return float((torch_bridges.sample(case.torch_net, source, SCHEDULE, SAMPLER_STEPS, step) ** 2).mean())

    step = torch_bridges.posterior_step
    eager = functools.partial(pytorch, step)
    return with_compiled(hepjax, eager, lambda: functools.partial(pytorch, torch.compile(step)))


def with_compiled(hepjax: Callable, eager: Callable, compiled: Callable[[], Callable]) -> Contestants:
    """The contestants; without a C++ compiler, which `torch.compile` needs on a CPU, there is no third one."""
    contestants = {"hepjax": hepjax, "torch_eager": eager}
    if not any(map(shutil.which, (os.environ.get("CXX", "g++"), "clang++"))):
        print("No C++ compiler: torch.compile is left out.")
        return contestants
    return contestants | {"torch_compiled": compiled()}


def measure(contestants: Contestants, amount: int, repeats: int) -> dict[str, Any]:
    """Amount of work a second of each, and hepjax's ratio to the others.

    The first turn, which compiles, stands apart; there, all must return nearly the same number.
    """
    cores = set_torch_threads(contestants["torch_eager"])
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(repeats + 1):
        values = []
        for name, run in contestants.items():
            seconds, value = timed(run)
            values.append(value)
            spent[name].append(seconds)
        if turn == 0:
            np.testing.assert_allclose(values, values[0], rtol=TOLERANCE)
    table = {name: summary([amount / s for s in seconds[1:]], seconds[0]) for name, seconds in spent.items()}
    hepjax = table["hepjax"]["median"]
    ratio = {name: hepjax / row["median"] for name, row in table.items() if name != "hepjax"}
    threads = {"hepjax": int(os.environ.get("NPROC", cores)), "torch": torch.get_num_threads()}
    return {"threads": threads, **table, "ratio": ratio}


def set_torch_threads(eager: Callable[[], float]) -> int:
    """Give PyTorch one thread or one for each open core, whichever is faster; returns the number of open cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    trials = {}
    for threads in (1, cores):
        torch.set_num_threads(threads)
        trials[threads] = min(timed(eager)[0] for _ in range(2))
    torch.set_num_threads(min(trials, key=trials.__getitem__))
    return cores


def timed(run: Callable[[], float]) -> tuple[float, float]:
    """Seconds of a run, and what it returns."""
    started = time.perf_counter()
    value = run()
    return time.perf_counter() - started, value


def summary(rates: list[float], seconds_first: float) -> dict[str, float]:
    """Median and spread."""
    spread = {"median": statistics.median(rates), "lowest": min(rates), "highest": max(rates)}
    return spread | {"seconds_first": seconds_first}


def show(name: str, table: dict[str, Any]) -> None:
    """Print the rates of a case, and the ratios."""
    rates = ", ".join(f"{key} {table[key]['median']:.0f}/s" for key in ("hepjax", *table["ratio"]))
    ratios = ", ".join(f"{ratio:.1f} x {key}" for key, ratio in table["ratio"].items())
    print(f"{name}: {rates}; hepjax = {ratios}", flush=True)


def cpu_model() -> str:
    """The processor's name where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    main(tyro.cli(Options))
