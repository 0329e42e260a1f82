"""The table of all benchmarks in the README, from the results that lie beside this file.

.venv/bin/python experiments/benchmarks/table.py    # rewrites README.md between its two marks
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hepjax.files import atomic_write

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- benchmarks: made by experiments/benchmarks/table.py -->", "<!-- end of benchmarks -->"
HEADS = ("", "peer", "times faster", "measured")
THREADS = {"": "", "_one_thread": ", one thread"}
NETS = {"sbunfold": "I2SB of SBUnfold (13,830 parameters)", "squirels": "shape net of SQuIRELS (1.3 million)"}
FLOWS = {"coupling": "spline coupling", "autoregressive": "spline autoregressive", "affine": "affine autoregressive"}

Row = tuple[str, str, str, str]


def rows(results: Path = HERE / "results") -> Iterator[Row]:
    """What was compared, with which peer, the ratio of medians, and where it was measured."""
    for suffix, threads in THREADS.items():
        found = _read(results / f"bridge_training{suffix}.json")
        for net, row in found["training_steps_per_second"].items():
            yield from _against_torch(f"training, {NETS[net]}{threads}", row, found)
        sampled = found["sampled_events_per_second"]
        yield from _against_torch(f"sampling, {NETS['sbunfold']}, {sampled['steps']} steps{threads}", sampled, found)
    for suffix, threads in THREADS.items():
        found = _read(results / f"flows{suffix}.json")
        for flow, row in found["events_per_second"].items():
            ratios = [f"{row[what]['ratio']['torch_eager']:.2g}" for what in ("log_prob", "sample")]
            peer = f"zuko {found['provenance']['zuko']}"
            yield f"log_prob / sample, {FLOWS[flow]}{threads}", peer, " / ".join(ratios), _where(found)
    found = _read(results / "omnifold.json")
    (peer,) = (row for name, row in found["gaussian"].items() if name != "hepjax")
    ratios = f"{peer['wall_over_hepjax']:.2g} (CPU time {peer['cpu_over_hepjax']:.2g})"
    yield "OmniFold, Gaussian example", f"omnifold {found['provenance']['omnifold']}", ratios, _where(found)
    found = _read(results / "continuous_flow.json")
    for size, row in found["training_steps_per_second"].items():
        yield from _against_torch(f"training, continuous flow, batch {size}", row, found)
    yield from _against_torch("sampling, continuous flow", found["sampled_events_per_second"], found)
    ratio = f"{found['log_prob_events_per_second']['ratio']['torch_eager']:.2g}"
    yield "log_prob, continuous flow, exact trace", f"{_torch(found)}, eager", ratio, _where(found)
    found = _read(results / "streaming.json")
    ways = " / ".join(f"{found['ways'][way]['ratio']:.2g}" for way in ("stream", "stream_gzip"))
    yield "training from disk, plain / compressed", "the same in memory", ways, _where(found)
    found = _read(results / "startup.json")
    for command, row in found["commands"].items():
        what = (
            f"`hepjax {command.replace('-', ' ')}`, {'first step' if command.endswith('fit') else 'whole'}, cache warm"
        )
        yield what, "cache empty", f"{row['ratio']:.2g}", _where(found)
    found = _read(results / "calochallenge.json")
    yield "CaloChallenge's features, set 2", "NumPy, layer by layer", f"{found['features']['ratio']:.2g}", _where(found)


def table() -> str:
    """The rows in Markdown."""
    lines = [HEADS, ("---",) * len(HEADS), *rows()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def rewritten(text: str) -> str:
    """The README with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _against_torch(what: str, row: dict[str, Any], found: dict[str, Any]) -> Iterator[Row]:
    ratios = " / ".join(f"{row['ratio'][kind]:.2g}" for kind in ("torch_eager", "torch_compiled"))
    yield what, f"{_torch(found)}, eager / compiled", ratios, _where(found)


def _torch(found: dict[str, Any]) -> str:
    solver = found["provenance"].get("torchdiffeq")
    return f"PyTorch {found['provenance']['torch']}" + (f" with torchdiffeq {solver}" if solver else "")


def _where(found: dict[str, Any]) -> str:
    return f"{found['provenance']['device']}, {found['provenance']['date']}"


if __name__ == "__main__":
    with atomic_write(README) as temporary:
        temporary.write_text(rewritten(README.read_text(encoding="utf-8")), encoding="utf-8")
