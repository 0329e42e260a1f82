"""Cut the sample of photons in lead and liquid argon that is embedded in the package from the full one.

    python experiments/embed_lar_sample.py --photons photons.hdf5 --diphotons diphotons.hdf5 \
        --out hepjax/data/samples/lar.hdf5

Takes a second. Of single photons only the group `train` is read, never the test group: its first 2,000 rows to fit
(`photons/train`) and the next 500 to judge (`photons/test`). Of two points of a -> two photons it takes the first 100
rows. Rows are in the order of the simulation, which is random. The result is about 1 MB.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
from pathlib import Path

from embed_squirels_sample import check_precision

from hepjax.data import Address, showers
from hepjax.types import Showers

TRAIN, TEST, PAIRS = 2000, 500, 100
POINTS = ("M5000_L330", "M500_L1000")
PROVENANCE = {
    "title": "Photons, and pairs of photons, in a lead - liquid-argon calorimeter",
    "detector": "80 x (2 mm Pb + 4 mm LAr), cube of 480 mm; layers of 90, 348 and 42 mm depth with 3 x 96, 12 x 12 and "
    "12 x 6 cells; energy in the argon",
    "particle": "gamma; diphotons: a -> gamma gamma, M mass in MeV, L distance of the decay before the face in mm",
    "energies": "1..50 GeV, uniform; diphotons: 20..50 GeV of both photons",
    "generator": "Geant4 11.4, standard electromagnetic models, range cut 1 mm",
    "units": "MeV",
    "precision": "float32 rounded to 13 explicit bits of mantissa (relative error below 2^-13); zeros are exact",
    "rows": f"photons: the first {TRAIN} and the next {TEST} of the group train; diphotons: the first {PAIRS} of each",
    "source": "made by the hepjax developers for this project",
    "licence": "BSD-3-Clause",
}


def cut(photons: Path, diphotons: Path, out: Path) -> None:
    """Write the groups of the embedded sample with their provenance."""
    singles = draw(photons, "train", TRAIN + TEST)
    parts = {"photons/train": singles[:TRAIN], "photons/test": singles[TRAIN:]}
    parts |= {f"diphotons/{point}": draw(diphotons, point, PAIRS) for point in POINTS}
    found = {f"{path.stem}_sha256": hashlib.sha256(path.read_bytes()).hexdigest() for path in (photons, diphotons)}
    showers.write(out, parts, PROVENANCE | found | {"date": datetime.date.today().isoformat()})


def draw(source: Path, group: str, rows: int) -> Showers:
    """The first rows of a group."""
    sample = showers.read(Address(source, group), geometry="lar_3layers")[:rows]
    check_precision(sample)
    return sample


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photons", type=Path, required=True, help="HDF5 file with the group train")
    parser.add_argument("--diphotons", type=Path, required=True, help="HDF5 file with a group for each point")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    arguments = parser.parse_args()
    cut(arguments.photons, arguments.diphotons, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")
