"""Loads the exported model of this folder. Needs numpy and onnxruntime, and not hepjax.

    function = load()
    outputs = function(**inputs)

Inputs and outputs are arrays by their names in record.json. The noise is an input, that of every event its own.
"""

import json
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def load(folder=HERE, threads=1):
    """The function of the model in a folder: keyword arguments -> dict of arrays."""
    import onnxruntime

    record, options = json.loads((Path(folder) / "record.json").read_text()), onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    path = str(Path(folder) / record["file"])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    outputs = [array["name"] for array in record["outputs"]]

    def function(**arrays):
        inputs = {array["name"]: np.asarray(arrays[array["name"]], array["dtype"]) for array in record["inputs"]}
        return dict(zip(outputs, session.run(outputs, inputs), strict=True))

    return function
