"""The tables of benchmarks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tables import BENCHMARKS, Results, markdown, read, significant

THREADS = {"": "", "_one_thread": ", one thread"}
NETS = {"sbunfold": "I2SB of SBUnfold (13,830 parameters)", "squirels": "shape net of SQuIRELS (1.3 million)"}
FLOWS = {"coupling": "spline coupling", "autoregressive": "spline autoregressive", "affine": "affine autoregressive"}

Row = tuple[str, str, str, str]


def peers(folder: Path = BENCHMARKS) -> str:
    """Compare hepjax with its peers, by the ratio of medians."""
    return markdown(["", "peer", "times faster", "measured"], _rows(folder))


def _rows(results: Path) -> Iterator[Row]:
    """Yield what was compared, with which peer, the ratio of medians, and where it was measured."""
    for suffix, threads in THREADS.items():
        found = read(results / f"bridge_training{suffix}.json")
        for net, row in found["training_steps_per_second"].items():
            yield from _against_torch(f"training, {NETS[net]}{threads}", row, found)
        sampled = found["sampled_events_per_second"]
        yield from _against_torch(f"sampling, {NETS['sbunfold']}, {sampled['steps']} steps{threads}", sampled, found)
    for suffix, threads in THREADS.items():
        found = read(results / f"flows{suffix}.json")
        for flow, row in found["events_per_second"].items():
            ratios = [f"{row[what]['ratio']['torch_eager']:.2g}" for what in ("log_prob", "sample")]
            peer = f"zuko {found['provenance']['zuko']}"
            yield f"log_prob / sample, {FLOWS[flow]}{threads}", peer, " / ".join(ratios), _where(found)
    found = read(results / "omnifold.json")
    (peer,) = (row for name, row in found["gaussian"].items() if name != "hepjax")
    ratios = f"{peer['wall_over_hepjax']:.2g} (CPU time {peer['cpu_over_hepjax']:.2g})"
    yield "OmniFold, Gaussian example", f"omnifold {found['provenance']['omnifold']}", ratios, _where(found)
    found = read(results / "continuous_flow.json")
    for size, row in found["training_steps_per_second"].items():
        yield from _against_torch(f"training, continuous flow, batch {size}", row, found)
    yield from _against_torch("sampling, continuous flow", found["sampled_events_per_second"], found)
    ratio = f"{found['log_prob_events_per_second']['ratio']['torch_eager']:.2g}"
    yield "log_prob, continuous flow, exact trace", f"{_torch(found)}, eager", ratio, _where(found)
    found = read(results / "streaming.json")
    ways = " / ".join(f"{found['ways'][way]['ratio']:.2g}" for way in ("stream", "stream_gzip"))
    yield "training from disk, plain / compressed", "the same in memory", ways, _where(found)
    found = read(results / "startup.json")
    for command, row in found["commands"].items():
        what = (
            f"`hepjax {command.replace('-', ' ')}`, {'first step' if command.endswith('fit') else 'whole'}, cache warm"
        )
        yield what, "cache empty", f"{row['ratio']:.2g}", _where(found)
    found = read(results / "calochallenge.json")
    yield "CaloChallenge's features, set 2", "NumPy, layer by layer", f"{found['features']['ratio']:.2g}", _where(found)


def _against_torch(what: str, row: dict[str, Any], found: dict[str, Any]) -> Iterator[Row]:
    ratios = " / ".join(f"{row['ratio'][kind]:.2g}" for kind in ("torch_eager", "torch_compiled"))
    yield what, f"{_torch(found)}, eager / compiled", ratios, _where(found)


def _torch(found: dict[str, Any]) -> str:
    solver = found["provenance"].get("torchdiffeq")
    return f"PyTorch {found['provenance']['torch']}" + (f" with torchdiffeq {solver}" if solver else "")


def _where(found: dict[str, Any]) -> str:
    return f"{found['provenance']['device']}, {found['provenance']['date']}"


def floor(results: Results) -> str:
    """Compare the time of a step with the floor of its operations."""
    rows = []
    for name, text in STEPS.items():
        row, kinds = results["work"][name], ("flops", "transcendental", "random", "bytes")
        parts = " / ".join(_time(row["floors"].get(kind, 0.0)) for kind in kinds)
        rows.append([text, _time(row["microseconds"]), _time(row["floor_microseconds"]), parts])
        rows[-1].append(f"{row['floor_over_time']:.2f}")
    of_which = "of which products / functions / random / bytes"
    return markdown(["", "time of a step", "floor", of_which, "floor over time"], rows)


STEPS = {
    "bridge": "training, I2SB of SBUnfold (13,830 parameters), batch 128",
    "shapes": "training, shape net of SQuIRELS (1.3 million), batch 256",
    "coupling": "training, spline coupling flow of 32 coordinates, batch 1024",
    "refinement": "transport of 1,000 showers' shapes, Heun in 4 steps",
}


def _time(microseconds: float) -> str:
    return f"{microseconds:.3g} µs" if microseconds < 1000 else f"{microseconds / 1000:.3g} ms"


TRACED = {
    "bridge": "I2SB of SBUnfold",
    "shapes": "shape net",
    "coupling": "coupling flow",
    "refinement": "transport",
}


def trace(results: Results) -> str:
    """Show where the profiler saw the time of a step, in percent."""
    kinds = ["matrix products", "functions", "random numbers", "moving data", "other arithmetic", "between kernels"]
    rows = [
        [text, *(f"{100 * results['work'][name]['trace'].get(kind, 0):.0f}" for kind in kinds)]
        for name, text in TRACED.items()
    ]
    return markdown(["", *kinds], rows)


def best(results: Results) -> str:
    """Show the best rates that one thread of the machine reaches."""
    rates = results["best_a_second"]
    bandwidths = [row["bytes_a_second"] / 1e9 for row in results["work"].values()]
    rows = [
        ["matrix products", f"{rates['flops'] / 1e9:.0f} Gflop/s"],
        ["logistic functions", f"{rates['transcendental'] / 1e9:.1f} billion/s"],
        ["random words", f"{rates['random'] / 1e6:.0f} million/s"],
        ["reading and writing arrays", f"{min(bandwidths):.0f} to {max(bandwidths):.0f} GB/s"],
    ]
    return markdown(["", "best rate"], rows)


def scaling(results: Results) -> str:
    """Show the weak scaling over devices and processes, and how well parameters agree with those of one device."""
    rows = []
    for name, row in results["layouts"].items():
        agreement = results["agreement"].get(name, {})
        rows.append([f"{row['processes']} x {row['devices'] // row['processes']}", f"{row['weak_efficiency']:.2f}"])
        rows[-1] += [f"{agreement[kind]:.0e}" if agreement else "" for kind in ("float32", "float64")]
    differences = ["largest difference, float32", "float64"]
    return markdown(["processes x devices of each", "weak scaling", *differences], rows)


def streaming(results: Results) -> str:
    """Show the speed and the memory of a training that reads its showers from disk."""
    names = {"memory": "in memory", "stream": "from disk", "stream_gzip": "from disk, compressed by gzip"}
    rows = [
        [text, f"{results['ways'][way]['ratio']:.2f}", f"{results['ways'][way]['peak_gib']:.2f}"]
        for way, text in names.items()
    ]
    return markdown(["", "steps a second, over those in memory", "GiB at most, Python and JAX included"], rows)


def startup(results: Results) -> str:
    """Show the seconds from the start of a command to its first step or to the end of a few events."""
    seconds = results["seconds"]
    rows = [["`hepjax --help`", "", f"{seconds['help']:.2g}"], ["imports", "", f"{seconds['imports']:.2g}"]]
    for name, row in results["commands"].items():
        rows.append([f"`hepjax {name.replace('-', ' ')}`", f"{row['cold']:.2g}", f"{row['warm']:.2g}"])
    return markdown(["", "seconds, cache empty", "cache warm"], rows)


def export(results: Results) -> str:
    """Show the size, latency and memory of exported models, one event a call."""
    return markdown(
        ["", *_EXPORT], ([name.replace("_", ", "), *_export(row)] for name, row in results["models"].items())
    )


_EXPORT = ("parameters", "file, MB", "ms a call, median", "MiB, with the model")


def _export(row: Any) -> list[str]:
    times, memory = row["milliseconds_a_call"]["median"], row["resident_mib"]["with_model"]
    parameters = [f"{row['parameters']:,}"] if "parameters" in row else []
    return [*parameters, f"{row['megabytes']:.2g}", significant([times]), f"{memory:.0f}"]


def export_onnx(results: Results) -> str:
    """Compare the exported models in JAX and in onnxruntime, one event a call."""
    rows = [
        [
            name.replace("_", ", "),
            *_export(row)[2:],
            *_export(row["onnx"])[1:],
            f"{max(row['onnx']['difference'].values()):.0e}",
        ]
        for name, row in results["models"].items()
    ]
    heads = ["JAX: ms a call", "MiB", "onnxruntime: ms a call", "MiB", "largest difference"]
    return markdown(["", *heads], rows)


def calochallenge(results: Results) -> str:
    """Show the time and the memory of an evaluation of large files."""
    rows = [
        [f"set {name[-1]}", f"{row['showers'] // 2:,}", f"{row['seconds']:.0f}", f"{row['peak_gib']:.1f}"]
        for name, row in results.items()
        if name.startswith("evaluate_set_")
    ]
    return markdown(["", "showers in each of two files", "seconds", "GiB at most"], rows)
