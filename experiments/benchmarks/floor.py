"""Where the time goes: what a step takes, what its operations would take at the best rates, and a trace of the rest.

    .venv/bin/python experiments/benchmarks/floor.py

Some three minutes on an idle core; one thread, so that kernels follow one another and their times add up. The best
rates are measured first: products of square matrices, the logistic function and random words in the cache. The
floor of a step is the sum of its counted operations (`operations.py`) at these rates, and of the bytes that it has to
read and write at least (parameters and optimiser once each, its batch), at the rate of an array of their size, were
nothing else to do.
The trace is JAX's profiler's: time of every kernel without what it calls, by the operation of the program that the
kernel was compiled from.

    bridge       training of SBUnfold's I2SB, 13,830 parameters, batch 128
    shapes       training of SQuIRELS' shape bridge, 1.3 million, batch 256
    coupling     training of a spline coupling flow of 32 coordinates, batch 1024
    refinement   SQuIRELS' default transport of 1,000 showers, Heun's method in 4 steps

Results with versions and date: `experiments/benchmarks/results/floor.json`; `docs/benchmarks.md` shows
them.
"""

from __future__ import annotations

import os

os.environ |= {"NPROC": "1", "OMP_NUM_THREADS": "1", "JAX_PLATFORMS": "cpu"}  # before jax looks

import dataclasses
import re
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import operations
import tyro

from hepjax import bridges, dynamics, flows, nets, report
from hepjax.pipelines import squirels
from hepjax.provenance import provenance
from hepjax.training import Config, epoch, loop
from hepjax.types import Bridge, Coupled, Events

KEY = jax.random.key(0)
RECIPE = Config(schedule="constant", warmup=0.0, validation=0.0)
OFTEN = 100
SQUARES = (256, 384, 512, 1024)
STATES = 4  # parameters, their average, and two moments
KINDS = {
    "random numbers": re.compile("random|threefry|shuffle|_uniform|_normal|erf_inv"),
    "optimiser": re.compile("optimiser"),
    "matrix products": re.compile("(dot_general|conv_general_dilated)$"),
    "functions": re.compile("silu|(logistic|exp|log|log1p|tanh|sin|cos|rsqrt)$"),
    "moving data": re.compile(
        "(gather|scatter.*|dynamic.*slice|slice|concatenate|pad|transpose|copy|reshape|select_n)$"
    ),
}
"""Kinds of kernels, by the path of the operation in the program that they were compiled from; the first that fits."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Run the benchmark."""

    out: Path = Path(__file__).parent / "results" / "floor.json"
    """File of the results."""
    repeats: int = 5
    """Times that everything is timed."""


class Work(NamedTuple):
    """Something to time: what it does, how many steps that are, what one step computes, and the bytes it must move."""

    run: Callable[[], Any]
    steps: int
    step: Callable[..., Any]
    arguments: tuple[Any, ...]
    bytes: int


def main(options: Options) -> None:
    """Measure the best rates and all work, write and print the results."""
    load = os.getloadavg()[0]
    best = best_rates(options.repeats)
    results = {}
    for name, build in WORK.items():
        jax.clear_caches()  # so that the trace's kernels are those of the programs held
        results[name] = measure(build(), best, options.repeats)
        row = results[name]
        print(
            f"{name}: {row['microseconds']:.0f} us, floor {row['floor_microseconds']:.0f} us", row["trace"], flush=True
        )
    made = provenance() | {"load_before": f"{load:.2f}"}
    report.write_json(options.out, {"threads": 1, "best_a_second": best, "work": results, "provenance": made})


def best_rates(repeats: int) -> dict[str, float]:
    """Operations and bytes a second that one thread reaches with nothing else to do."""
    cached = jnp.linspace(-3, 3, 2**14)

    def words(x):
        return jax.random.bits(jax.random.wrap_key_data(x[:2]), x.shape)

    rates: dict[Any, Any] = {
        "transcendental": (often(jax.nn.sigmoid), cached, OFTEN * cached.size),
        "random": (often(words), jnp.arange(2**14, dtype=jnp.uint32), OFTEN * 2**14),
    }
    rates |= {size: (often(lambda x: x @ x), jnp.eye(size), OFTEN * 2 * size**3) for size in SQUARES}
    best = {kind: amount / min(seconds(lambda: f(x), repeats)) for kind, (f, x, amount) in rates.items()}  # noqa: B023
    return {"flops": max(best.pop(size) for size in SQUARES), **best}


def often(function: Callable[[jax.Array], jax.Array]) -> Callable[[jax.Array], jax.Array]:
    """The jitted function, `OFTEN` times on what it gave."""
    return jax.jit(lambda x: jax.lax.fori_loop(0, OFTEN, lambda _, x: function(x), x))


def byte_rate(moved: int, repeats: int) -> float:
    """Bytes a second of reading and writing an array again and again, half as large as `moved`."""
    x, add = jnp.zeros(max(moved // 8, 1)), often(lambda x: x + 1)
    return 2 * OFTEN * x.nbytes / min(seconds(lambda: add(x), repeats))


def measure(work: Work, best: dict[str, float], repeats: int) -> dict[str, Any]:
    """Time of a step, its operations, their floor, and the trace, all a step and in microseconds."""
    best = best | {"bytes": byte_rate(work.bytes, repeats)}
    spent = statistics.median(seconds(work.run, repeats)) / work.steps
    counted = {**operations.count(work.step, *work.arguments), "bytes": work.bytes}
    floors = {kind: 1e6 * number / best[kind] for kind, number in counted.items()}
    floor = sum(floors.values())
    return {
        "microseconds": 1e6 * spent,
        "floor_microseconds": floor,
        "floor_over_time": floor / (1e6 * spent),
        "operations": counted,
        "bytes_a_second": best["bytes"],
        "floors": floors,
        "trace": trace(work),
    }


def seconds(run: Callable[[], Any], repeats: int) -> list[float]:
    """Times of a call, after one that compiles."""
    spent = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        jax.block_until_ready(run())
        spent.append(time.perf_counter() - started)
    return spent[1:]


def trace(work: Work) -> dict[str, float]:
    """Share of the kernels' time by the kind of operation, from the profiler; the rest of the time is between them."""
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            started = time.perf_counter_ns()
            jax.block_until_ready(work.run())
            whole = time.perf_counter_ns() - started
        (path,) = Path(folder).rglob("*.xplane.pb")
        kernels: dict[str, float] = defaultdict(float)
        for name, nanoseconds in own_times(jax.profiler.ProfileData.from_file(str(path))):
            kernels[name] += nanoseconds
    origins = dict(pair for text in programs() for pair in re.findall(r'%?([\w.-]+) = [^\n]*op_name="([^"]+)"', text))
    shares: dict[str, float] = defaultdict(float)
    for name, nanoseconds in kernels.items():
        shares[kind_of(name, origins.get(name, ""))] += nanoseconds / whole
    return {kind: round(share, 3) for kind, share in sorted(shares.items(), key=lambda pair: -pair[1])} | {
        "between kernels": round(1 - sum(shares.values()), 3)
    }


def own_times(profile: Any) -> Iterator[tuple[str, float]]:
    """Kernels and their nanoseconds without those of the kernels inside; threads of the runtime alone."""
    for plane in profile.planes:
        for line in plane.lines:
            open_events: list[list[Any]] = []
            kernels = (e for e in line.events if line.name.startswith("tf_") and not e.name.startswith("ThunkExecutor"))
            events = sorted(kernels, key=lambda e: (e.start_ns, -e.duration_ns))
            for event in events:
                while open_events and open_events[-1][1] <= event.start_ns:
                    yield open_events[-1][0], open_events.pop()[2]
                if open_events:
                    open_events[-1][2] -= event.duration_ns
                open_events.append([event.name, event.start_ns + event.duration_ns, event.duration_ns])
            while open_events:
                yield open_events[-1][0], open_events.pop()[2]


def programs() -> list[str]:
    """Texts of the compiled programs that this process holds, the largest last: names of kernels recur."""
    held = jax.devices()[0].client.live_executables()
    return sorted((module.to_string() for program in held for module in program.hlo_modules()), key=len)


def kind_of(kernel: str, origin: str) -> str:
    """Kind of a kernel by the operation that it came from."""
    if kernel.startswith(("dot", "convolution")):
        return "matrix products"
    return next((kind for kind, pattern in KINDS.items() if pattern.search(origin)), "other arithmetic")


def training(model: Any, data: Any, batch_size: int, epochs: int = 1) -> Work:
    """A training of some epochs, in the project's loop."""
    config = dataclasses.replace(RECIPE, batch_size=batch_size, epochs=epochs, epochs_per_call=epochs)
    params, batch = jax.jit(model.init)(KEY), jax.tree.map(lambda x: x[:batch_size], data)
    steps = epochs * (len(jax.tree.leaves(data)[0]) // batch_size)

    def step(params):
        return jax.value_and_grad(lambda params: model.loss(KEY, params, batch), has_aux=True)(params)

    moved = 2 * STATES * nbytes(params) + nbytes(batch)
    return Work(lambda: loop.fit(KEY, model, data, config, params=params).params, steps, step, (params,), moved)


def nbytes(tree: Any) -> int:
    """Bytes of all arrays."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def normal(*shape: int) -> jax.Array:
    """Standard normal numbers."""
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape, np.float32))


def bridge() -> Work:
    """SBUnfold's own net."""
    model = bridges.i2sb(nets.sbunfold(), schedule=dynamics.Symmetric())
    return training(model, Coupled(normal(64_000, 6), normal(64_000, 6)), 128, 2)


def shape_bridge() -> Bridge:
    """The default bridge of SQuIRELS' shapes."""
    default = squirels.Config()
    net = nets.resnet(99, 99, default.width, default.blocks, dim_cond=2, time=True)
    return bridges.matching(net, steps=default.steps, method="heun")


def shapes() -> Work:
    """SQuIRELS' larger net."""
    data = Coupled(normal(16_384, 99), normal(16_384, 99), normal(16_384, 2))
    return training(shape_bridge(), data, 256)


def coupling() -> Work:
    """A flow of splines."""
    bijection = flows.coupling(32, flows.spline(8, 5.0), depth=6, hidden=(128, 128))
    return training(flows.transformed(bijection, flows.normal(32)), Events(normal(32_768, 32)), 1024)


def refinement() -> Work:
    """The transport of shapes alone."""
    model, x, cond = shape_bridge(), normal(1000, 99), normal(1000, 2)
    params = jax.jit(model.init)(KEY)
    arguments = (KEY, params, x, cond)
    return Work(lambda: model.transport(*arguments), 1, model.transport, arguments, nbytes(params) + 2 * nbytes(x))


WORK = {"bridge": bridge, "shapes": shapes, "coupling": coupling, "refinement": refinement}
assert epoch  # the loop's compiled part, whose programs are read

if __name__ == "__main__":
    main(tyro.cli(Options))
