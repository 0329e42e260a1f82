"""What models make of events does not depend on the devices that share them, nor on the other events of a table."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent / "scripts" / "devices.py"
FOUR = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4", "JAX_PLATFORMS": "cpu"}


@pytest.fixture(scope="module")
def distances():
    environment = {**os.environ, **FOUR, "JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}
    run = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, env=environment)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


@pytest.mark.parametrize("verb", ["sample", "calibrate", "score", "unfold", "push"])
def test_devices_and_rows(distances, verb):
    assert distances[verb]["devices"] < 1e-4 and distances[verb]["rows"] < 1e-4
