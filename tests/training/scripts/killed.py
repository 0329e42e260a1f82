"""Train a tiny model unbroken, and again while it is killed at random moments; print a JSON of what came of it.

Usage: killed.py folder [stream]; with stream the events are a `Stream`, killed inside of an epoch. One process imports
jax and forks the trainings before any computation, so that a training starts in little time.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np

from hepjax.training import Config, Stream, checkpoint, fit

STREAM = "stream" in sys.argv
CONFIG = Config(epochs=60, batch_size=32, checkpoint_every=1, learning_rate=0.01)
if STREAM:
    CONFIG = Config(epochs=8, batch_size=32, checkpoint_minutes=1e-9, learning_rate=0.01, window=64, block=16)
KILLS = 1 if STREAM else 5


def train(folder: Path | None, out: Path) -> None:
    def init(key, batch):
        return {"w": jax.random.normal(key, (4, 8)), "v": jnp.ones((8,))}

    def loss(key, params, batch):
        x = batch + 0.1 * jax.random.normal(key, batch.shape)
        return jnp.mean((jnp.tanh(x @ params["w"]) @ params["v"] - batch[:, 0]) ** 2), {}

    data = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    model = SimpleNamespace(init=init, loss=loss)
    events = Stream(data) if STREAM else data
    fitted = fit(jax.random.key(0), model, events, CONFIG, folder=folder, resume=folder is not None)
    leaves = jax.tree.leaves(fitted)
    np.savez(out, *(np.asarray(leaf) for leaf in leaves))


def start(folder: Path | None, out: Path) -> int:
    process = os.fork()
    if process == 0:
        train(folder, out)
        os._exit(0)
    return process


def last_step(folder: Path) -> int:
    return max((int(path.name) for path in folder.glob("*") if path.name.isdigit()), default=0)


def kill_once(folder: Path, out: Path) -> dict:
    """Let a training write a checkpoint, then kill it a random moment later."""
    before = last_step(folder)
    process = start(folder, out)
    deadline = time.monotonic() + 120
    while last_step(folder) <= before and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.3))
    os.kill(process, signal.SIGKILL)
    killed = os.WIFSIGNALED(os.waitpid(process, 0)[1])
    return {"from": before, "to": last_step(folder), "killed": killed}


def main(folder: Path) -> None:
    random.seed(0)
    jax.config.update("jax_compilation_cache_dir", str(folder / "cache"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    assert checkpoint and jax.numpy  # imported before the forks
    kills = [kill_once(folder / "run", folder / "resumed.npz") for _ in range(KILLS)]
    for run, name in ((folder / "run", "resumed"), (None, "unbroken")):
        status = os.waitpid(start(run, folder / f"{name}.npz"), 0)[1]
        assert status == 0, f"the {name} training failed"
    resumed, unbroken = np.load(folder / "resumed.npz"), np.load(folder / "unbroken.npz")
    identical = [resumed[name].tobytes() == unbroken[name].tobytes() for name in unbroken.files]
    print(json.dumps({"kills": kills, "identical": identical}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
