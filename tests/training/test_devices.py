import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.training import checkpoint
from hepjax.types import State

SCRIPT = Path(__file__).parent / "scripts" / "devices.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("devices")


@pytest.fixture(scope="module")
def report(folder):
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}
    run = subprocess.run([sys.executable, SCRIPT, folder / "model"], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_four_devices_give_the_result_of_one(report):
    assert report["float64"] < 1e-9
    assert report["float32"] < 1e-4


def test_four_devices_that_read_from_disk_give_the_result_of_one_in_memory(report):
    assert report["stream"] < 1e-4


def test_a_batch_that_does_not_divide_is_refused(report):
    assert report["refusal"] == "training: a batch of 42 events does not divide over 4 devices"


def test_a_state_of_four_devices_is_restored_on_one(report, folder):
    shapes = State(None, jax.ShapeDtypeStruct((3,), jnp.float32), jax.ShapeDtypeStruct((8,), jnp.float32))
    state = checkpoint.load(folder / "model", lambda spec: shapes)
    assert np.array_equal(state.params, np.arange(8)) and len(state.params.devices()) == 1
