"""Training steps of one number of devices and processes: what `scaling.py` runs in processes of their own.

    .venv/bin/python experiments/benchmarks/scaling_worker.py FOLDER BATCHES STEPS REPEATS [ADDRESS PROCESSES PROCESS]

Times the steps at each of the batch sizes (with commas between) in FOLDER/seconds.json, and leaves the parameters of
another fit after a hundred steps in FOLDER/float32.npz and float64.npz.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import bridges, devices, nets
from hepjax.pipelines import squirels
from hepjax.training import Config, fit
from hepjax.types import Coupled

DIM, COND = 99, 2  # of the shape bridge of SQuIRELS
AGREEMENT = Config(epochs=10, batch_size=128, learning_rate=1e-3, validation=0.0)


def main(folder: Path, batches: list[int], steps: int, repeats: int) -> None:
    """Time and train; the first process writes."""
    with devices.use("all"):
        seconds = {batch: step_seconds(batch, steps, repeats) for batch in batches}
        devices.by_first((folder / "seconds.json").write_text)(json.dumps(seconds))
        for dtype in ("float32", "float64"):
            jax.config.update("jax_enable_x64", dtype == "float64")
            devices.by_first(np.savez)(folder / f"{dtype}.npz", *trained(dtype))


def step_seconds(batch: int, steps: int, repeats: int) -> list[float]:
    """Seconds a step of the default net of SQuIRELS' shape, one entry a repeat."""
    default = squirels.Config()
    net = nets.resnet(DIM, DIM, default.width, default.blocks, dim_cond=COND, time=True)
    config = Config(epochs=repeats + 1, batch_size=batch, validation=0.0)
    ends: list[float] = []

    def now(key: Any, params: Any) -> float:
        ends.append(time.perf_counter())
        return 0.0

    fit(jax.random.key(0), bridges.matching(net), smeared("float32", steps * batch, DIM, COND), config, score=now)
    return (np.diff(ends) / steps).tolist()


def trained(dtype: str) -> list[np.ndarray]:
    """The parameters of a smaller net, by flow matching between six observables, after a hundred steps."""
    bridge = bridges.matching(nets.resnet(6, 6, 64, 2, time=True))
    params = jax.tree.map(lambda x: x.astype(dtype), bridge.init(jax.random.key(0)))
    data = smeared(dtype, 10 * AGREEMENT.batch_size, 6, 0)
    fitted = fit(jax.random.key(0), bridge, data, AGREEMENT, params=params)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(fitted.last)]


def smeared(dtype: str, events: int, dim: int, dim_cond: int) -> Coupled:
    """Standard normal target events, sources of the same law with correlation 0.8, and normal conditions."""
    rng = np.random.default_rng(0)
    target, noise = rng.standard_normal((2, events, dim)).astype(dtype)
    cond = jnp.asarray(rng.standard_normal((events, dim_cond)).astype(dtype)) if dim_cond else None
    return Coupled(jnp.asarray(0.8 * target + 0.6 * noise), jnp.asarray(target), cond)


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) > 4:
        devices.join(words[4], int(words[5]), int(words[6]))
    main(Path(words[0]), [int(batch) for batch in words[1].split(",")], int(words[2]), int(words[3]))
