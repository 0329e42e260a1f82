"""What one of two processes has to tell the other; prints a JSON of what it has heard.

Usage: together.py ADDRESS PROCESS.
"""

import json
import sys

import numpy as np

from hepjax import devices
from hepjax.types import InputError

TABLE = np.arange(11, dtype=np.float64)[:, None] + np.array([1e-12, 0.1])


def heard(block):
    """The error of a block that all processes enter."""
    try:
        with devices.together():
            block()
    except (InputError, KeyError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def fails(*errors):
    """A block in which the processes raise these errors; None for one that does not."""

    def block():
        error = errors[process]
        if error is not None:
            raise error
        if len({type(error) for error in errors}) == 1:
            return
        devices.rows(TABLE.__getitem__, 11)  # where this one is while the other fails

    return block


def nested():
    with devices.together():
        fails(None, InputError("inner"))()


def elsewhere():
    if process:
        devices.rows(TABLE.__getitem__, 11)


def shares():
    """The rows that this process reads, and whether it has all of them to the bit."""
    read, everything = [], []
    with devices.together():
        everything = devices.rows(lambda rows: read.append(rows) or TABLE[rows], 11)
    return [read[0].start, read[0].stop, np.array_equal(everything, TABLE)]


def written():
    """Who has written."""
    by = []
    devices.by_first(by.append)(process)
    return by


if __name__ == "__main__":
    address, process = sys.argv[1], int(sys.argv[2])
    devices.join(address, 2, process)
    devices.PIECE_BYTES = 50  # so that rows come in pieces
    print(
        json.dumps(
            {
                "none": heard(fails(None, None)),
                "first": heard(fails(InputError("of the first"), None)),
                "second": heard(fails(None, InputError("of the second"))),
                "both": heard(fails(InputError("of the first"), InputError("of the second"))),
                "other kind": heard(fails(None, KeyError("bug"))),
                "nested": heard(nested),
                "elsewhere": heard(elsewhere),
                "shares": shares(),
                "other lengths": devices.gathered(TABLE[: 1 + process]).shape,
                "flags": devices.gathered(np.full(2, bool(process))).tolist(),
                "of first": devices.of_first(0.1 + process),
                "written": written(),
                "missing device": heard(lambda: devices.use(9 if process else 1).__enter__()),
            }
        )
    )
