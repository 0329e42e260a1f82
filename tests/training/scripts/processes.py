"""Train the model of `devices.py` in one process of a job, or alone; write everything that the fits return.

Usage: processes.py FOLDER KILL [ADDRESS PROCESS]. The fit in float32, whose checkpoints go to FOLDER/fit and which goes
on from there, writes FOLDER/float32_PROCESS.npz. After KILL epochs, unless that is zero, the process kills itself. A
fit that found no checkpoint is followed by one in float64, and by one of windows, which a job reads from a `Stream`.
"""

import dataclasses
import os
import signal
import sys
from pathlib import Path

import jax
import numpy as np
from devices import CONFIG, MODEL, data  # beside this file

from hepjax import devices
from hepjax.training import Stream, fit

FOLDER, KILL = Path(sys.argv[1]), int(sys.argv[2])
PROCESS = int(sys.argv[4]) if len(sys.argv) > 4 else 0
FAR = 100.0


def score(key, params):
    """A distance, from another point in each process: that of the first counts."""
    return float(np.linalg.norm(params["b"] - FAR * PROCESS))


def killing():
    left = [KILL]

    def score_and_die(key, params):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return score(key, params)

    return score_and_die


class Source:
    """Events that are read in slices."""

    events = data(np.float64, 450)

    def __len__(self):
        return 450

    def __getitem__(self, rows):
        return {name: column[rows] for name, column in self.events.items()}


def train(name, events, **options):
    with devices.use("all"):
        fitted = fit(jax.random.key(0), MODEL, events, **options)
    dtype = np.float64 if jax.config.jax_enable_x64 else np.float32
    assert fitted.params["a"].dtype == dtype and fitted.params["a"].is_fully_addressable
    leaves = jax.tree.leaves(fitted)
    np.savez(FOLDER / f"{name}_{PROCESS}.npz", *(np.asarray(leaf) for leaf in leaves))


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    resumed = (FOLDER / "fit").exists()
    if len(sys.argv) > 4:
        devices.join(sys.argv[3], 2, PROCESS)
    config = dataclasses.replace(CONFIG, checkpoint_every=1)
    train("float32", data(np.float32, 450), config=config, score=killing(), folder=FOLDER / "fit", resume=True)
    if not resumed:
        jax.config.update("jax_enable_x64", True)
        train("float64", data(np.float64, 450), config=CONFIG)
        config = dataclasses.replace(CONFIG, validation=0.0, window=120, block=10)
        train("windows", Stream(Source()) if len(sys.argv) > 4 else Source.events, config=config)
