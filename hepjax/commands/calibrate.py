"""What `hepjax calibrate` does: files in, files out."""

from __future__ import annotations

from hepjax import data, runs, streams
from hepjax.cli.calibrate import CalibrateApply, CalibrateFit
from hepjax.pipelines import calibration


def fit(options: CalibrateFit) -> None:
    """`hepjax calibrate fit`: a run folder."""
    with runs.showers(options.showers, options.memory_gib, lambda geometry: calibration.IN_MEMORY) as showers:
        runs.fit(options, calibration, showers, options.config)


def apply(options: CalibrateApply) -> None:
    """`hepjax calibrate apply`: an HDF5 file with the columns of `calibration.Calibrated`."""
    columns = calibration.Calibrated._fields
    units = {name: "MeV" for name in columns if name.endswith("_mev")} | {"nll": "nats"}
    made = {"method": "maximum likelihood", "showers": options.showers, "model": str(options.model)}
    made |= runs.provenance()

    def cells(state):
        return data.showers.opened_voxels(options.showers, state.spec.geometry)

    with streams.opened(options, calibration, cells) as (state, voxels):
        calibrate = streams.Work(
            lambda voxels, _: calibration.calibrate(state, voxels),
            lambda path, calibrated: data.tables.write(path, calibrated._asdict(), units, made),
            state.spec.geometry.voxels,
        )
        streams.run(options, state, voxels, calibrate)
        streams.tell_outside(options.out)
