"""A command in chunks of a few events, as a script for processes of their own.

Usage: stream.py options words…, with options in JSON: `rows`, events in a chunk; `killed`, the name of a part file
before whose renaming the process kills itself; `joined`, the arguments of `devices.join`; `devices`, that of
`devices.use`.
"""

import json
import os
import signal
import sys
from pathlib import Path

from hepjax import devices
from hepjax.app import chunks, cli


def killed_at(name):
    rename = os.replace

    def replace(old, new):
        if Path(new).name == name:
            os.kill(os.getpid(), signal.SIGKILL)
        rename(old, new)

    return replace


if __name__ == "__main__":
    options, words = json.loads(sys.argv[1]), sys.argv[2:]
    chunks.chunk_rows = lambda _: options["rows"]
    if "killed" in options:
        os.replace = killed_at(options["killed"])
    if "joined" in options:
        devices.join(*options["joined"])
    with devices.use(options.get("devices", 1)):
        sys.exit(cli.main(words))
