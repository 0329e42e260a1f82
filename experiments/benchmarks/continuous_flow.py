"""A continuous flow in hepjax and in PyTorch with torchdiffeq: the same net, loss, optimiser, solver and steps.

    .venv/bin/python experiments/benchmarks/continuous_flow.py

Needs the extra `bench`, and a C++ compiler for `torch.compile`; some two minutes on 2 cores that are otherwise idle.
The peer trains by the loss of torchcfm (`torch_continuous_flow.py` says why that package is not installed). Events of
6 coordinates; the net has three layers of 64, as in torchcfm's examples. Before anything is timed parameters are copied
over: the nets and densities must agree on every event, the losses on the mean; after it, losses and second moments
must. Threads, turns and medians as in `bridge_training.py`, `NPROC=1` leaves both one thread.

    training   conditional flow matching at batch 128 and 512
    sampling   10,000 events, 50 steps of Heun's method
    log_prob   4,096 events, as many steps, exact trace; compiled PyTorch has none (see `with_divergence`)

Results with versions and date: `experiments/benchmarks/results/`.
"""

# pyright: reportMissingImports=false
from __future__ import annotations

import dataclasses
import functools
import os
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import bridge_training as bench
import jax
import jax.numpy as jnp
import numpy as np
import torch
import torch_bridges
import torch_continuous_flow as peer
import tyro

from hepjax import flows, nets, report
from hepjax.provenance import provenance
from hepjax.training.loop import fit
from hepjax.types import Events, Flow, Net, Params

DIM, HIDDEN, STEPS = 6, (64, 64, 64), 50
TRAINED, SAMPLED, SCORED = 64_000, 10_000, 4096
BATCHES = (128, 512)


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "continuous_flow.json"
    """File of the results."""
    repeats: int = 5
    """Times that each framework has its turn."""


class Case(NamedTuple):
    """The flow and its net in both frameworks, common parameters, and standard normal events."""

    flow: Flow
    net: Net
    torch_net: peer.MLP
    params: Params
    x: np.ndarray


def main(options: Options) -> None:
    """Check that both frameworks compute the same, time them, write and print the results."""
    jax.config.update("jax_platforms", "cpu")
    load = os.getloadavg()[0]
    case = checked_case()
    training = {str(size): time_training(case, size, options.repeats) for size in BATCHES}
    versions = {"torch": torch.__version__, "torchdiffeq": version("torchdiffeq"), "cpu": bench.cpu_model()}
    results: dict[str, Any] = {
        "parameters": sum(leaf.size for leaf in jax.tree.leaves(case.params)),
        "solver": f"Heun, {STEPS} steps",
        "training_steps_per_second": training,
        "sampled_events_per_second": timed("sampling", samplers(case), SAMPLED, options.repeats),
        "log_prob_events_per_second": timed("log_prob", log_probs(case), SCORED, options.repeats),
        "provenance": provenance() | versions | {"load_before": load},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    report.write_json(options.out, results)


def checked_case() -> Case:
    """The flow at random parameters, after asserting that net, loss and density agree at them."""
    net = nets.mlp(DIM, DIM, HIDDEN, time=True)
    flow = flows.matching(net, DIM, steps=STEPS, method="heun")
    torch_net, params = peer.MLP(DIM, HIDDEN), jax.jit(flow.init)(jax.random.key(0))
    torch_bridges.copy_parameters(torch_net, params)
    x = np.random.default_rng(0).standard_normal((TRAINED, DIM), np.float32)
    some, times = x[: bench.CHECKED], np.linspace(0, 1, bench.CHECKED, dtype=np.float32)
    with torch.inference_mode():
        output = torch_net(torch.tensor(some), None, torch.tensor(times)).numpy()
        loss = peer.loss(torch_net, torch.tensor(some)).item()
    np.testing.assert_allclose(output, jax.jit(net.apply)(params, some, time=times), rtol=0, atol=1e-4)
    expected, _ = jax.jit(flow.loss)(jax.random.key(1), params, Events(jnp.asarray(some)))
    np.testing.assert_allclose(loss, float(expected), rtol=bench.TOLERANCE)
    rate = peer.with_divergence(peer.velocity(torch_net))
    density = peer.log_prob(rate, torch.tensor(x[:SCORED]), STEPS).numpy()
    np.testing.assert_allclose(density, flow.log_prob(params, x[:SCORED]), rtol=0, atol=1e-3)
    return Case(flow, net, torch_net, params, x)


def time_training(case: Case, batch_size: int, repeats: int) -> dict[str, Any]:
    """Steps a second of whole trainings from the same parameters; they return the loss of the last epoch."""
    config = dataclasses.replace(bench.RECIPE, epochs=4, epochs_per_call=4, batch_size=batch_size)
    events, tensor = Events(jnp.asarray(case.x)), torch.tensor(case.x)

    def hepjax():
        fitted = fit(jax.random.key(0), case.flow, events, config, params=case.params)
        return float(fitted.history["loss"][-1])

    def pytorch(loss):
        torch_bridges.copy_parameters(case.torch_net, case.params)
        return torch_bridges.train(case.torch_net, loss, (tensor,), config)

    eager = functools.partial(pytorch, peer.loss)
    contestants = bench.with_compiled(hepjax, eager, lambda: functools.partial(pytorch, torch.compile(peer.loss)))
    steps = config.epochs * (TRAINED // batch_size)
    return {"steps": steps} | timed(f"training, batch {batch_size}", contestants, steps, repeats)


def samplers(case: Case) -> bench.Contestants:
    """Draws of the flow; they return the mean square of the events."""
    torch_bridges.copy_parameters(case.torch_net, case.params)

    def hepjax():
        return float(jnp.mean(case.flow.sample(jax.random.key(0), case.params, shape=(SAMPLED,)) ** 2))

    def pytorch(field: peer.Velocity):
        return float(peer.sample(field, SAMPLED, DIM, STEPS).square().mean())

    field = peer.velocity(case.torch_net)
    eager = functools.partial(pytorch, field)
    return bench.with_compiled(hepjax, eager, lambda: functools.partial(pytorch, torch.compile(field)))


def log_probs(case: Case) -> bench.Contestants:
    """Log-densities; they return the mean."""
    torch_bridges.copy_parameters(case.torch_net, case.params)
    x, rate = case.x[:SCORED], peer.with_divergence(peer.velocity(case.torch_net))
    return {
        "hepjax": lambda: float(case.flow.log_prob(case.params, x).mean()),
        "torch_eager": lambda: float(peer.log_prob(rate, torch.tensor(x), STEPS).mean()),
    }


def timed(name: str, contestants: bench.Contestants, amount: int, repeats: int) -> dict[str, Any]:
    """Measure, and print."""
    table = bench.measure(contestants, amount, repeats)
    bench.show(name, table)
    return table


if __name__ == "__main__":
    main(tyro.cli(Options))
