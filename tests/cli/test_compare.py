"""`hepjax compare` says what looks like a mistake of units."""

import dataclasses

from toys import toy_showers

from hepjax.app import cli
from hepjax.data import showers


def test_showers_in_gev_are_remarked_on(tmp_path, capsys):
    sample = toy_showers(0, 100)
    in_gev = dataclasses.replace(sample, incident_energy=sample.incident_energy / 1e3, voxels=sample.voxels / 1e3)
    showers.write(tmp_path / "mev.hdf5", sample)
    showers.write(tmp_path / "gev.hdf5", in_gev)
    words = ["--metrics", "distances", "--reference", str(tmp_path / "mev.hdf5")]
    for name, remarks in (("mev", 0), ("gev", 1)):
        out = ["--generated", str(tmp_path / f"{name}.hdf5"), "--out", str(tmp_path / f"report_{name}")]
        assert cli.main(["compare", *words, *out]) == 0
        said = capsys.readouterr().out
        assert said.count("gev.hdf5: incident energies of") == remarks and said.count("GeV?") == remarks
