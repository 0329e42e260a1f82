"""Cut the sample that is embedded in the package from the full SQuIRELS sample.

    python experiments/embed_squirels_sample.py --source gflash_vs_geant4.hdf5 --out hepjax/data/samples/squirels.hdf5

Takes a second. Only the groups `fast/train` and `full/train` are read, never a test group: rows are drawn without
replacement, the first 3,000 to fit (`train`) and the next 1,000 to judge the demo (`test`). The result is below 2 MB.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
from pathlib import Path

import numpy as np

from hepjax.data import Address, showers
from hepjax.types import Showers

TRAIN, TEST = 3000, 1000
SEED = 20261122
PROVENANCE = {
    "title": "Electron showers in lead tungstate, fast and full simulation (SQuIRELS, arXiv:2308.12339)",
    "detector": "10 x 10 PbWO4 crystals, each 30 x 30 x 240 mm, electrons at the centre of the array",
    "particle": "e-",
    "energies": "10..100 GeV, uniform",
    "generator_fast": "Geant4 11.4, GFlash homogeneous parameterisation",
    "generator_full": "Geant4 11.4, standard electromagnetic models, range cut 1 mm",
    "units": "MeV",
    "pairing": "none: rows of fast and full are independent",
    "precision": "float32 rounded to 13 explicit bits of mantissa (relative error below 2^-13); zeros are exact",
    "source": "made by the hepjax developers for this project",
    "licence": "BSD-3-Clause",
}


def cut(source: Path, out: Path) -> None:
    """Write the four groups of the embedded sample with their provenance."""
    parts = {f"{name}/{split}": part for name in ("fast", "full") for split, part in draw(source, name).items()}
    rows = f"numpy.random.default_rng([{SEED}, train group (fast 0, full 1)]).permutation, the first {TRAIN} + {TEST}"
    found = {
        "rows": rows,
        "seed": SEED,
        "source_groups": "fast/train, full/train",
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "date": datetime.date.today().isoformat(),
    }
    showers.write(out, parts, PROVENANCE | found)


def draw(source: Path, name: str) -> dict[str, Showers]:
    """Disjoint rows of one train group, in file order within each part."""
    sample = showers.read(Address(source, f"{name}/train"), geometry="crystals_10x10")
    check_precision(sample)
    order = np.random.default_rng([SEED, ("fast", "full").index(name)]).permutation(len(sample))
    return {"train": sample[np.sort(order[:TRAIN])], "test": sample[np.sort(order[TRAIN : TRAIN + TEST])]}


def check_precision(sample: Showers) -> None:
    """Make sure that the provenance tells the truth about the rounding that the source was stored with."""
    low_bits = np.asarray(sample.voxels).view(np.uint32) & np.uint32((1 << 10) - 1)
    if low_bits.any():
        raise ValueError("the source has more than 13 bits of mantissa, so the attribute `precision` is wrong")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="HDF5 file with fast/train and full/train")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    arguments = parser.parse_args()
    cut(arguments.source, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")
