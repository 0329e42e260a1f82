"""Do all commands still write what they wrote? Run by hand around a change that is to leave all numbers as they are.

    NPROC=1 OMP_NUM_THREADS=1 .venv/bin/python tests/golden/outputs.py record
    NPROC=1 OMP_NUM_THREADS=1 .venv/bin/python tests/golden/outputs.py compare

Every command runs on tiny inputs in a new folder. `record` writes outputs.json: the names of all files that they leave,
and of each array its shape, mean, width and first values, of each table or document its numbers. Times, dates and
checkpoints are left out. `compare` runs the commands of that file again and names what differs by more than float32
rounding. Both belong on one machine: another one's rounding grows while networks train.
"""

import argparse
import contextlib
import csv
import io
import json
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import h5py
import numpy as np
from run_documentation import QUICK, make_inputs

from hepjax.app import cli

RECORD = Path(__file__).with_name("outputs.json")
FITS = {
    "squirels": "squirels fit --fast F.hdf5:fast/train --full F.hdf5:full/train",
    "dsb": "squirels fit --fast F.hdf5:fast/train --full F.hdf5:full/train --config.method dsb",
    "caloflow": "caloflow fit --showers P.hdf5:train",
    "caloinn": "caloflow fit --showers P.hdf5:train --config.variant coupling",
    "calibrate": "calibrate fit --showers P.hdf5:train",
    "anomaly": "anomaly fit --background P.hdf5:train",
    **{
        method: f"unfold fit --method {method} --simulation Z.hdf5:pythia --data Z.hdf5:vincia"
        for method in ("sbunfold", "omnifold", "cinn", "cfm", "didi")
    },
}
OTHERS = [
    "squirels refine --model runs/squirels --fast F.hdf5:fast/test --out refined.hdf5",
    "squirels refine --model runs/dsb --fast F.hdf5:fast/test --out refined_dsb.hdf5",
    "compare --reference F.hdf5:full/test --generated refined.hdf5 --baseline F.hdf5:fast/test --out compared",
    "caloflow sample --model runs/caloflow --energies P.hdf5:test --out generated.hdf5",
    "caloflow sample --model runs/caloinn --energies P.hdf5:test --out generated_inn.hdf5",
    "calibrate apply --model runs/calibrate --showers P.hdf5:test --out energies.hdf5",
    "anomaly score --model runs/anomaly --showers S.hdf5:signal --out scores.hdf5",
    *(f"unfold apply --model runs/{m} --data Z.hdf5:vincia --out {m}.hdf5" for m in ("sbunfold", "omnifold", "cinn")),
    "unfold apply --model runs/cfm --data Z.hdf5:vincia --out cfm.parquet",
    "unfold apply --model runs/didi --data Z.hdf5:vincia --out didi.hdf5",
    "unfold compare --truth Z.hdf5:vincia --unfolded sbunfold.hdf5 omnifold.hdf5 --simulation Z.hdf5:pythia --out un",
    "generate zjets --out Z2.hdf5",
    "calochallenge submit-check gen.hdf5 --dataset 2",
    "calochallenge evaluate --dataset 2 --reference ref.hdf5:a --generated gen.hdf5 --baseline ref.hdf5:b --out report",
    "calochallenge timing --model runs/caloflow --out timing.json",
    "export --model runs/squirels --out exported",
    "export --model runs/sbunfold --out exported_sb",
]
SKIPPED = re.compile(r"second|_ms|ms_|milli|provenance|sha256|date|timing|size", re.IGNORECASE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=("record", "compare"))
    if parser.parse_args().verb == "record":
        commands = [f"{fit} --out runs/{name}" for name, fit in FITS.items()] + OTHERS
        RECORD.write_text(json.dumps([_ran(commands)], indent=1).replace("\n     ", " ") + "\n")
        return 0
    [before] = json.loads(RECORD.read_text())
    after = _ran(list(before))
    faults = [f"{command}: {fault}" for command in before for fault in differences(before[command], after[command])]
    print(*faults, f"{len(faults)} differences", sep="\n")
    return len(faults) > 0


def _ran(commands):
    """command -> {name of a file that it wrote: what it holds}, and what it printed."""
    found, here = {}, Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_inputs()
        for command in commands:
            before, words, said = set(_files()), command.split(), io.StringIO()
            with contextlib.redirect_stdout(said):
                code = cli.main(words + QUICK.get(tuple(words[:2]), []))
            found[command] = {"code": code, **{str(p): contents(p) for p in sorted(set(_files()) - before)}}
            print(code, command, flush=True)
        os.chdir(here)
        shutil.rmtree(folder, ignore_errors=True)
        Path(folder).mkdir(exist_ok=True)
    return found


def _files():
    return [p for p in Path().rglob("*") if p.is_file() and "checkpoint" not in p.parts]


def contents(path):
    """The numbers of a file, by name."""
    if path.suffix in (".hdf5", ".h5"):
        found = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, item: found.update({name: _array(item)}))
        return {name: numbers for name, numbers in found.items() if numbers}
    if path.suffix == ".json":
        return _leaves(json.loads(path.read_text()))
    if path.suffix == ".csv":
        *_, last = csv.DictReader(path.open())
        return _leaves({name: _number(value) for name, value in last.items()})
    return {}


def _array(item):
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
        return []
    values = np.asarray(item, np.float64).ravel()
    return [*map(float, item.shape), *_short(np.append([values.mean(), values.std()], values[:4]))]


def _leaves(tree, name=""):
    if SKIPPED.search(name):
        return {}
    if isinstance(tree, dict):
        pairs = tree.items()
    elif isinstance(tree, list):
        pairs = enumerate(tree[:20])
    else:
        return {name: _short([tree])} if isinstance(tree, int | float) else {}
    return {key: value for part, leaf in pairs for key, value in _leaves(leaf, f"{name}/{part}").items()}


def _number(text):
    with contextlib.suppress(ValueError):
        return float(text)
    return None


def _short(values):
    return [float(f"{value:.7g}") for value in values]


def differences(before, after, name=""):
    """What differs, in words."""
    if isinstance(before, dict):
        for key in sorted({*before, *after}):
            if key not in before or key not in after:
                yield f"{name}/{key} is {'new' if key in after else 'gone'}"
            else:
                yield from differences(before[key], after[key], f"{name}/{key}")
    elif np.shape(before) != np.shape(after) or not np.allclose(before, after, 1e-4, 1e-6, equal_nan=True):
        yield f"{name}: {before} became {after}"


if __name__ == "__main__":
    sys.exit(main())
