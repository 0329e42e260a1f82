"""Run every command line of the documentation in a new folder, on tiny inputs with quick settings: `make commands`.

    .venv/bin/python tests/scripts/run_documentation.py

The lines run as they stand, one after the other, with the options of `QUICK` added and without what an earlier one has
written to the same place; a line that stands on several pages runs once. The exit code is 1 when one fails.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import documentation
import h5py
import numpy as np
from toys import toy_showers, toy_unfolding

from hepjax import data
from hepjax.app import cli
from hepjax.types import Showers

FIT = "training.epochs=1 training.batch-size=50"
FLOWS = "layers-depth=1 layers-hidden=8 depth=1 hidden=8 bins=4 copies=1 layers-training.epochs=1 training.epochs=1"
SMALL = "width=8 blocks=1 steps=2 group=16 response-training.epochs=1 shape-training.epochs=1"
NESTED = " ".join(f"showers.{word}" for word in FLOWS.split()) + " energy.members=1 energy.hidden=8 draws=1"


def _options(words, prefix="config"):
    return [f"--{prefix}.{word}" for word in words.split()]


QUICK = {
    ("squirels", "fit"): _options(SMALL),
    ("showers", "fit"): _options(FLOWS),
    ("caloflow", "fit"): _options(FLOWS),
    ("calibrate", "fit"): _options(f"members=1 hidden=8 {FIT}"),
    ("anomaly", "fit"): _options(f"{NESTED} held-out=0.2 energy.training.epochs=1"),
    ("unfold", "fit"): _options("width=8 blocks=1 steps=2 training.epochs=1 prior-training.epochs=1", "generative")
    + _options("iterations=1 hidden=8 training.epochs=1", "omnifold")
    + _options("iterations=1 starts=1 hidden=8 training.epochs=1", "profile")
    + _options("hidden=8 training.epochs=1", "response"),
    ("calochallenge", "evaluate"): ["--metrics", "separation", "fpd"],
    ("calochallenge", "timing"): ["--batches", "1", "10", "--repeats", "2"],
    ("generate", "zjets"): ["--events", "20"],
}
"""Options that make a command quick, by its words."""


NUISANCES = documentation.blocks("docs/methods/profile_omnifold.md", "yaml")[0]
"""The file of nuisance parameters that the page on Profile OmniFold shows."""
PAGES = ("README.md", *documentation.DOCS)


def make_inputs():
    """The files that the pages speak of, in this folder."""
    samples = {f"{kind}/{part}": toy_showers(i, 200) for i, (kind, part) in enumerate(_PARTS)}
    data.showers.write("F.hdf5", samples)
    data.showers.write("P.hdf5", {"train": toy_showers(5, 240), "test": toy_showers(6, 60)})
    data.showers.write("S.hdf5", {"signal": toy_showers(7, 60, width=1.5)})
    with h5py.File("Z.hdf5", "w") as file:
        for seed, name in enumerate(("pythia", "vincia")):
            events = toy_unfolding(seed, 400)
            group = file.create_group(name)
            group["gen"], group["sim"] = events.gen, events.reco
            group.attrs["columns"] = [column.name for column in events.gen_columns]
    with h5py.File("V.hdf5", "w") as file:
        for seed, (name, width) in enumerate({"nominal": 1.0, "narrow": 0.8, "wide": 1.3, "data": 1.1}.items()):
            rng = np.random.default_rng(seed)
            gen = rng.normal(size=(400, 1)).astype(np.float32)
            group = file.create_group(name)
            group["gen"], group["sim"] = gen, gen + rng.normal(size=(400, 2)).astype(np.float32) * [1, width]
            group["gen"].attrs["columns"], group["sim"].attrs["columns"] = ["x"], ["y1", "y2"]
    Path("nuisances.yml").write_text(NUISANCES)
    data.showers.write("ref.hdf5", {"a": _challenge(0), "b": _challenge(1)})
    data.showers.write("gen.hdf5", _challenge(2))


_PARTS = [(kind, part) for kind in ("fast", "full") for part in ("train", "test")]


def _challenge(seed, n=60):
    """Showers in the voxels of data set 2 that a submission may have."""
    rng, detector = np.random.default_rng(seed), data.geometry.named("calochallenge_2")
    energy = 1e3 * 10 ** rng.uniform(0, 3, n)
    share = rng.dirichlet(np.full(detector.voxels, 0.05), n)
    voxels = np.where(share * energy[:, None] > 0.1, share * energy[:, None], 0)
    return Showers(energy.astype(np.float32), voxels.astype(np.float32), detector)


def main():
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        make_inputs()
        for words in dict.fromkeys(tuple(words) for page in PAGES for words in documentation.commands(page)):
            quick = QUICK.get(words[:2], [])
            _remove(words)
            started = time.perf_counter()
            code = cli.main([*words, *quick])
            print(
                f"{'ok' if code == 0 else 'FAILED'} {time.perf_counter() - started:6.1f} s  {' '.join(words)}",
                flush=True,
            )
            failed += code != 0
    sys.exit(failed > 0)


def _remove(words):
    """Remove what an earlier line has written to the same place."""
    out = Path(words[words.index("--out") + 1]) if "--out" in words else None
    if out is not None and out.is_dir():
        shutil.rmtree(out)
    elif out is not None:
        out.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
