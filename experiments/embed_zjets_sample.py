"""Cut the sample of Z + jets that is embedded in the package from the full one.

    python experiments/embed_zjets_sample.py --source zjets.hdf5 --out hepjax/data/samples/zjets.hdf5

Takes a second. The first 12,000 rows of the group `pythia` and the first 6,000 of `vincia`, with the six observables
that are unfolded by default at both levels. Rows are in the order of the simulation, which is random. The result is
below 1 MB.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
from pathlib import Path

import numpy as np

from hepjax.data import Address, hdf5, unfolding

ROWS = {"pythia": 12_000, "vincia": 6_000}
ROWS_A_CHUNK = 2000
PROVENANCE = {
    "title": "Leading jets of Z(-> nu nu) + jets, at particle level (gen) and detector level (sim), paired by row",
    "process": "pp at 14 TeV, Z pT above 200 GeV; leading anti-kT jet, R = 0.4",
    "generator": "Pythia 8.317; group pythia: default shower, group vincia: Vincia shower",
    "detector": "tracking efficiency and resolution, towers of two calorimeters, in the manner of Delphes for CMS",
    "failed_grooming": "jets that soft drop empties have z_g = 0 and ln_rho = 0",
    "precision": "float32 rounded to 14 explicit bits of mantissa (relative error below 2^-14); zeros are exact",
    "rows": ", ".join(f"the first {rows} of {group}" for group, rows in ROWS.items()),
    "source": "made by the hepjax developers for this project",
    "licence": "BSD-3-Clause",
}


def cut(source: Path, out: Path) -> None:
    """Write the groups of the embedded sample with their provenance."""
    with hdf5.create(out) as file:
        found = {"source_sha256": hashlib.sha256(source.read_bytes()).hexdigest()}
        file.attrs.update(PROVENANCE | found | {"date": datetime.date.today().isoformat()})
        file.attrs["columns"] = unfolding.OBSERVABLES
        for group, rows in ROWS.items():
            events = unfolding.read(Address(source, group))[:rows]
            for level, values in (("gen", np.asarray(events.gen)), ("sim", np.asarray(events.reco))):
                check_precision(values)
                options = dict(chunks=(ROWS_A_CHUNK, 1), compression="gzip", compression_opts=9, shuffle=True)
                file.create_dataset(f"{group}/{level}", data=values, **options)


def check_precision(values: np.ndarray) -> None:
    """Make sure that the provenance tells the truth about the rounding that the source was stored with."""
    if (values.view(np.uint32) & np.uint32((1 << 9) - 1)).any():
        raise ValueError("the source has more than 14 bits of mantissa, so the attribute `precision` is wrong")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, required=True, help="HDF5 file with the groups pythia and vincia")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    arguments = parser.parse_args()
    cut(arguments.source, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size / 1e6:.2f} MB")
