"""Exported models: the numbers of the live ones, any number of events, without hepjax, and honest records."""

import functools
import json
import os
import subprocess
import sys
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import TINY, measured, toy_showers, toy_unfolding

from hepjax import cli, dynamics, export, transforms
from hepjax.pipelines import (
    anomaly,
    anomaly_model,
    calibration,
    calibration_model,
    caloflow,
    caloflow_model,
    caloflow_training,
    observables,
    omnifold,
    posterior,
    squirels,
    squirels_model,
    unfolding,
)
from hepjax.pipelines.coordinates import log_energy
from hepjax.pipelines.generative_config import Config as Generative
from hepjax.training import Config as Training
from hepjax.training import checkpoint
from hepjax.types import Geometry, InputError, State

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY, N = jax.random.key(7), 20
CALOFLOW = caloflow.Config(variant="coupling", depth=1, hidden=(8,), bins=4)
CALIBRATION = calibration.Config(members=2, hidden=(8,))
POSTERIOR = Generative(width=8, blocks=1, steps=2, draws=3, iterations=1, hidden=(8,))
OMNIFOLD = omnifold.Config(iterations=1, hidden=(8,), training=Training(epochs=2, batch_size=64))
SAMPLE, SHOWERS = toy_showers(0, 200), toy_showers(2, N)
SIMULATION, EVENTS = toy_unfolding(0, 400), toy_unfolding(3, N)


class Case(NamedTuple):
    """A fitted state, the arrays that its exported function takes but for the noise, and the live numbers."""

    state: State
    arrays: dict
    live: dict


def random_like(tree):
    """Parameters that are nowhere zero: the numbers of a net are compared, not their sense."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.1, leaf.shape), leaf.dtype), tree)


def squirels_state():
    spec = squirels_model.Spec(TINY, SAMPLE.geometry, (5, 6, 9, 10), 2)
    given, rng = log_energy(SAMPLE.incident_energy), np.random.default_rng(1)
    marginals = (squirels_model.scores(spec).fit(rng.normal(0, 1.2, (len(SAMPLE), d)), given) for d in (1, 15))
    constants = squirels._preprocess(KEY, spec, SAMPLE, SAMPLE)
    constants = constants._replace(marginals=squirels_model.Bridges(*marginals))
    return State(spec, constants, random_like(squirels._untrained(spec).params))


@functools.cache
def caloflow_state():
    spec = caloflow_model.Spec(CALOFLOW, SAMPLE.geometry, (), 2)
    keys = dynamics.event_keys(KEY, (len(SAMPLE),))
    constants = caloflow_model.coordinates(spec).fit(keys, jax.tree.map(jnp.asarray, SAMPLE))
    return State(spec, constants, random_like(caloflow_training.untrained(spec).params))


@functools.cache
def calibration_state():
    spec = calibration_model.Spec(CALIBRATION, SAMPLE.geometry, 0)
    constants = calibration_model.fit_constants(spec, SAMPLE, None)
    return State(spec, constants, random_like(calibration_model.untrained(spec)[1]))


@functools.cache
def anomaly_state():
    parts = caloflow_state(), calibration_state()
    spec = anomaly_model.Spec(anomaly.Config(CALOFLOW, CALIBRATION, draws=2, degree=1), *(part.spec for part in parts))
    columns = jnp.full((2, len(anomaly_model.quantities(spec))), 0.5)
    usual = transforms.Trend(jnp.full((), 10.0), jnp.ones(()), columns, columns)
    constants = anomaly_model.Constants(*(part.constants for part in parts), anomaly_model.Trends(*[usual] * 3))
    return State(spec, constants, anomaly_model.Params(*(part.params for part in parts)))


def posterior_state():
    sample, kinds = SIMULATION, [observables.kinds(table) for table in (SIMULATION.gen, SIMULATION.reco)]
    spec = posterior.Spec("sbunfold", POSTERIOR, sample.gen_columns, sample.reco_columns, *kinds, ())
    tables = zip(posterior.coordinates(spec), (sample.gen, sample.reco), strict=True)
    levels = posterior.Levels(*(coords.fit(KEY, table, sample.weight) for coords, table in tables))
    return State(spec, levels, random_like(posterior.untrained(spec).params))


def case_squirels():
    state = squirels_state()
    arrays = {"incident_energy": SHOWERS.incident_energy, "voxels": SHOWERS.voxels}
    return Case(state, arrays, {"voxels": squirels.refine(KEY, state, SHOWERS).voxels})


def case_caloflow():
    energy = np.clip(SHOWERS.incident_energy, *caloflow_state().constants.incident_range)
    live = caloflow.sample(KEY, caloflow_state(), energy)
    return Case(caloflow_state(), {"incident_energy": energy}, {"voxels": live.voxels})


def case_calibration():
    live = calibration.calibrate(calibration_state(), SHOWERS.voxels)
    return Case(calibration_state(), {"voxels": SHOWERS.voxels}, live._asdict())


def case_anomaly():
    live = anomaly.score(KEY, anomaly_state(), SHOWERS.voxels)
    return Case(anomaly_state(), {"voxels": SHOWERS.voxels}, live._asdict())


def case_posterior():
    state = posterior_state()
    live = unfolding.unfold(KEY, state, measured(EVENTS))
    return Case(state, {"reco": EVENTS.reco}, {"gen": live.gen, "weight": live.weight})


def case_omnifold():
    state = unfolding.fit(KEY, SIMULATION, measured(SIMULATION), unfolding.Config("omnifold", OMNIFOLD))
    return Case(state, {"gen": EVENTS.gen}, {"weight": omnifold.push(state, EVENTS.gen)})


UNITS = {
    "incident_energy": "MeV",
    "voxels": "MeV",
    "energy_mev": "MeV",
    "sigma_low_mev": "MeV",
    "sigma_high_mev": "MeV",
    "nll": "nats",
    "log_prob": "nats",
}
CASES = {
    "squirels": case_squirels,
    "caloflow": case_caloflow,
    "calibration": case_calibration,
    "anomaly": case_anomaly,
    "posterior": case_posterior,
    "omnifold": case_omnifold,
}


@functools.cache
def case_of(name):
    return CASES[name]()


@pytest.fixture(scope="module", params=CASES)
def exported(request, tmp_path_factory):
    """A case, the function of its export, and the record."""
    case, folder = case_of(request.param), tmp_path_factory.mktemp(request.param)
    export.write(folder, case.state)
    return case, export.load(folder), json.loads((folder / "record.json").read_text())


def near(found, live, tolerance=1e-6):
    found, live = np.asarray(found, float), np.asarray(live, float)
    np.testing.assert_allclose(found, live, rtol=0, atol=tolerance * np.abs(live).max())


def inputs(case, record, rows):
    """What the exported function takes for some rows."""
    noise = {"key": jax.random.key_data(KEY), "row": rows}
    arrays = noise | {name: array[rows] for name, array in case.arrays.items()}
    return {array["name"]: arrays[array["name"]] for array in record["inputs"]}


def test_the_numbers_are_those_of_the_live_model(exported):
    """To 1e-6 of the largest; the ends of likelihood intervals as far as float32 finds them, to 2e-3 of a width."""
    case, function, record = exported
    found = function(**inputs(case, record, np.arange(N)))
    assert found.keys() == case.live.keys()
    for name, live in case.live.items():
        near(found[name], live, 2e-3 if "sigma" in name else 1e-6)


@pytest.mark.parametrize("exported", ["squirels", "caloflow", "posterior", "omnifold"], indirect=True)
def test_an_event_keeps_its_numbers_and_its_noise_in_any_batch(exported):
    """To rounding, which differs between batches, in the median: it may turn a faint hit into a zero."""
    case, function, record = exported
    rows = np.arange(5, 8)
    found = function(**inputs(case, record, rows))
    for name, live in case.live.items():
        live = np.asarray(live, float)[rows]
        assert np.median(np.abs(found[name] - live)) <= 1e-5 * np.abs(live).max()


def test_the_record_tells_what_goes_in_and_comes_out(exported):
    case, function, record = exported
    given = inputs(case, record, np.arange(N))
    found = function(**given)
    for arrays, values in ((record["inputs"], given), (record["outputs"], found)):
        assert [array["name"] for array in arrays] == list(values)
        for array in arrays:
            assert [{"b": N}.get(size, size) for size in array["shape"]] == list(np.shape(values[array["name"]]))
            assert array["meaning"] and array["unit"] == UNITS.get(array["name"], "")
            assert [column["name"] for column in array.get("columns", [])] in ([], ["x_gev", "count"])
    assert record["transforms"] and record["platforms"] == ["cpu", "cuda"]
    assert {"hepjax", "jax", "date"} <= set(record["provenance"])
    assert ("key" in given) == ("key" in record["noise"])


WITHOUT_HEPJAX = """
import sys

class Only:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in {"hepjax", "flax", "optax", "orbax", "distrax", "tensorflow_probability", "h5py"}:
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Only)
sys.path.insert(0, sys.argv[1])
import load, numpy

inputs = dict(numpy.load(sys.argv[2]))
numpy.savez(sys.argv[2], **load.load()(**inputs))
"""


def test_jax_and_flatbuffers_are_enough(tmp_path):
    case, arrays = case_of("calibration"), tmp_path / "arrays.npz"
    export.write(tmp_path, case.state)
    record = json.loads((tmp_path / "record.json").read_text())
    np.savez(arrays, **inputs(case, record, np.arange(N)))
    command = [sys.executable, "-c", WITHOUT_HEPJAX, str(tmp_path), str(arrays)]
    environment = os.environ | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    near(np.load(arrays)["energy_mev"], case.live["energy_mev"])


def test_the_command_exports_a_run_of_any_pipeline(tmp_path):
    case, run, out = case_of("omnifold"), tmp_path / "run", tmp_path / "out"
    run.mkdir()
    unfolding.save(run / "checkpoint", case.state)
    assert cli.main(["export", "--model", str(run), "--out", str(out)]) == 0
    assert {path.name for path in out.iterdir()} == {".hepjax", "model.bin", "record.json", "load.py"}
    np.testing.assert_allclose(export.load(out)(**case.arrays)["weight"], case.live["weight"], rtol=1e-6)


def test_what_cannot_be_exported_ends_with_one_line(tmp_path, capsys):
    def refused(expected, model, out):
        assert cli.main(["export", "--model", str(model), "--out", str(out)]) == 2
        error = capsys.readouterr().err
        assert expected in error and error.count("\n") == 1

    (tmp_path / "other").mkdir()
    ones = {"a": np.ones(1)}
    checkpoint.save(tmp_path / "other" / "checkpoint", State(Geometry("grid", (1,)), ones, ones))
    refused("no checkpoint here", tmp_path, tmp_path / "out")
    refused("holds another model, expected one of anomaly, calibration", tmp_path / "other", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="state: holds another model"):
        export.write(tmp_path, State(Geometry("grid", (1,)), ones, ones))
