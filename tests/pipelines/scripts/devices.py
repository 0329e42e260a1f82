"""Apply models to events on one device, on four, and to a part of the events; print a JSON of how far the results are
apart.

Usage: devices.py, with XLA_FLAGS=--xla_force_host_platform_device_count=4.
"""

import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # for toys and states

import fitted
from toys import measured, toy_showers, toy_unfolding

from hepjax import devices
from hepjax.pipelines import anomaly, calibration, caloflow, omnifold, unfolding
from hepjax.pipelines.anomaly import model as anomaly_model

KEY = jax.random.key(0)
N = 70  # pieces of 16 on four devices, and a rest


def in_pieces(part):
    """A part of a state's specification with few events at a time."""
    return dataclasses.replace(part, config=dataclasses.replace(part.config, batch=16))


def results():
    """What models make of the events of some rows."""
    state = fitted.anomaly_state()
    parts = {name: in_pieces(getattr(state.spec, name)) for name in ("showers", "energy")}
    state = state._replace(spec=dataclasses.replace(state.spec, **parts))
    showers, events = toy_showers(1, N), measured(toy_unfolding(1, N))
    energies = np.clip(showers.incident_energy, *state.constants.showers.incident_range)
    of_sbunfold, of_omnifold = fitted.posterior_state(), fitted.case_of("omnifold").state
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
