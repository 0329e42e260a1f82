"""Several processes of one job on this machine, as SLURM or MPI would start them on several."""

import os
import re
import socket
import subprocess
import sys
from typing import NamedTuple

TIMEOUT = 120
GLOO = ("[Gloo] Rank ", " is connected to ", " peer ranks. ", "Expected number of connected peer ranks is : ")


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
    """Without what Gloo, by which processes talk on CPUs, says of ranks: its threads' words may be mixed."""
    for words in GLOO:
        out = out.replace(words, "")
    return "".join(line for line in out.splitlines(keepends=True) if not re.fullmatch(r"[\d\s]*", line))
