"""Several processes of one job on this machine, as SLURM or MPI would start them on several."""

import os
import socket
import subprocess
import sys
from typing import NamedTuple

TIMEOUT = 120


class Ended(NamedTuple):
    """How a process has ended, and what it has said."""

    code: int
    out: str
    error: str


def free_address():
    """An address that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return f"localhost:{probe.getsockname()[1]}"


def run(*commands, devices=2, **environment):
    """Run Python with the words of each command, all at the same time, each on some host devices."""
    quick = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "JAX_PLATFORMS": "cpu"}
    own = {"JAX_NUM_CPU_DEVICES": str(devices), **quick, **environment}
    started = [
        subprocess.Popen(
            [sys.executable, *map(str, words)],
            env={**os.environ, **own},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for words in commands
    ]
    try:
        said = [process.communicate(timeout=TIMEOUT) for process in started]
    finally:
        for process in started:
            process.kill()
    return [Ended(process.returncode, _own(out), error) for process, (out, error) in zip(started, said, strict=True)]


def _own(out):
    """Without the lines of Gloo, by which processes talk on CPUs: it has no switch to be silent."""
    return "".join(line for line in out.splitlines(keepends=True) if not line.startswith("[Gloo]"))
