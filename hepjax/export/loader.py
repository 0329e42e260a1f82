"""Loads the exported model of this folder. Needs jax and flatbuffers, and not hepjax.

    function = load()
    outputs = function(**inputs)

Inputs and outputs are arrays by their names in record.json. Every new number of events compiles once.
"""

import json
from pathlib import Path

import jax
import numpy as np
from jax import export

HERE = Path(__file__).parent


def load(folder=HERE):
    """The function of the model in a folder: keyword arguments -> dict of arrays."""
    record = json.loads((Path(folder) / "record.json").read_text())
    call = jax.jit(export.deserialize(bytearray((Path(folder) / record["file"]).read_bytes())).call)
    outputs = [array["name"] for array in record["outputs"]]

    def function(**arrays):
        inputs = [np.asarray(arrays[array["name"]], array["dtype"]) for array in record["inputs"]]
        return dict(zip(outputs, call(*inputs), strict=True))

    return function
