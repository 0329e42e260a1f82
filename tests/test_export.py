"""Exported models: the numbers of the live ones, any number of events, without hepjax, and honest records."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from fitted import CASES, KEY, N, case_of, near

from hepjax import export
from hepjax.app import cli
from hepjax.pipelines import unfolding
from hepjax.training import checkpoint
from hepjax.types import Geometry, InputError, State

pytestmark = pytest.mark.usefixtures("fast_compilation")

PIPELINES = [name for name in CASES if name != "student"]  # which is CaloFlow's as well
UNITS = {
    "incident_energy": "MeV",
    "voxels": "MeV",
    "energy_mev": "MeV",
    "sigma_low_mev": "MeV",
    "sigma_high_mev": "MeV",
    "nll": "nats",
    "log_prob": "nats",
}


@pytest.fixture(scope="module", params=PIPELINES)
def exported(request, tmp_path_factory):
    """A case, the function of its export, and the record."""
    case, folder = case_of(request.param), tmp_path_factory.mktemp(request.param)
    export.write(folder, case.state)
    return case, export.load(folder), json.loads((folder / "record.json").read_text())


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
