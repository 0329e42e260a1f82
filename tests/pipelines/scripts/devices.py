"""Apply models to events on one device, on four, and to a part of the events; print a JSON of how far the results are
apart.

Usage: devices.py, with XLA_FLAGS=--xla_force_host_platform_device_count=4.
"""

import json
import sys
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for the toys

from toys import measured, toy_showers, toy_unfolding

from hepjax import devices
from hepjax.pipelines import anomaly, anomaly_model, calibration, caloflow, omnifold, unfolding
from hepjax.pipelines.generative_config import Config as Generative
from hepjax.training import Config as Training

KEY, SHORT = jax.random.key(0), Training(epochs=1, batch_size=100)
SHOWERS = caloflow.Config(
    variant="coupling", depth=1, hidden=(8,), bins=4, copies=1, batch=16, layers_training=SHORT, training=SHORT
)
ENERGY = calibration.Config(members=1, hidden=(8,), batch=16, training=SHORT)
POSTERIOR = Generative(
    width=8, blocks=1, steps=2, draws=2, iterations=1, hidden=(8,), training=SHORT, prior_training=SHORT
)
OMNIFOLD = omnifold.Config(iterations=1, hidden=(8,), training=SHORT)
N = 70  # pieces of 16 on four devices, and a rest


def results():
    """What models, fitted on one device, make of the events of some rows."""
    state = anomaly.fit(KEY, toy_showers(0, 300), anomaly.Config(SHOWERS, ENERGY, held_out=0.25, draws=1, degree=1))
    showers, events = toy_showers(1, N), measured(toy_unfolding(1, N))
    energies = np.clip(showers.incident_energy, *state.constants.showers.incident_range)
    simulation, data = toy_unfolding(0, 300), measured(toy_unfolding(1, 300, mean=0.3))
    of_sbunfold, of_omnifold = (
        unfolding.fit(KEY, simulation, data, unfolding.Config(method, OMNIFOLD, POSTERIOR))
        for method in ("sbunfold", "omnifold")
    )
    generator, calibrator = (anomaly_model.part(state, name) for name in ("showers", "energy"))
    cells = showers.voxels
    return {
        "sample": lambda rows: caloflow.sample(KEY, generator, energies[rows], rows=rows).voxels,
        "calibrate": lambda rows: calibration.calibrate(calibrator, cells[rows]).energy_mev,
        "score": lambda rows: anomaly.score(KEY, state, cells[rows], rows=rows).log_prob,
        "unfold": lambda rows: unfolding.unfold(KEY, of_sbunfold, events[rows], rows=rows).gen,
        "push": lambda rows: omnifold.push(of_omnifold, events.reco[rows]),
    }


def distances(function):
    one, later = function(np.arange(N)), np.arange(N // 2, N)
    with devices.use("all"):
        four = function(np.arange(N))
    assert len(four.devices()) == 1
    return {"devices": apart(one, four), "rows": apart(one[later], function(later))}


def apart(a, b):
    return float(np.linalg.norm(a - b) / np.linalg.norm(a))


if __name__ == "__main__":
    assert jax.device_count() == 4
    print(json.dumps({name: distances(function) for name, function in results().items()}))
