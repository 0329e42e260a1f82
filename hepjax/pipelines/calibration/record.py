"""Calibration as the program knows it: `hepjax calibrate fit` and `hepjax calibrate apply`, from files to files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax.numpy as jnp

from hepjax import data
from hepjax.pipelines.calibration import model, verbs
from hepjax.pipelines.calibration.options import CalibrateApply, CalibrateFit
from hepjax.pipelines.exportable import Exportable, Field, range_of, voxels
from hepjax.pipelines.pipeline import Apply, Fit, Given, Pipeline, Source, Work
from hepjax.pipelines.showers import energies, stored
from hepjax.provenance import provenance
from hepjax.types import State

UNITS = {name: "MeV" for name in model.Calibrated._fields if name.endswith("_mev")} | {"nll": "nats"}


@contextlib.contextmanager
def given(options: CalibrateFit) -> Iterator[Given]:
    """Read the showers, or open them where they are too many."""
    with stored.opened(options.showers, options.memory_gib, lambda geometry: verbs.IN_MEMORY) as showers:
        yield Given((showers, options.config))


def cells(options: CalibrateApply, state: State) -> contextlib.AbstractContextManager[Source]:
    """Open the showers to calibrate, without incident energies."""
    return data.showers.opened_voxels(options.showers, state.spec.geometry)


def calibrate(options: CalibrateApply, state: State, showers: Source) -> Work:
    """Estimate the energies of showers, into an HDF5 file with the columns of `calibration.Calibrated`."""
    made = {"method": "maximum likelihood", "showers": options.showers, "model": str(options.model), **provenance()}
    return Work(
        lambda voxels, _: verbs.calibrate(state, voxels),
        lambda path, calibrated: data.tables.write(path, calibrated._asdict(), UNITS, made),
        state.spec.geometry.voxels,
        say=energies.say_outside,
    )


def exportable(state: State) -> Exportable:
    """`calibration.calibrate` as a function of one shower's cells."""
    spec = state.spec

    def function(state, voxels):
        return tuple(model.calibrated(spec, state.constants, state.params, voxels))

    low, high = range_of(jnp.exp(state.constants.range))
    outputs = (
        Field("energy_mev", "MeV", "most likely incident energy"),
        Field("sigma_low_mev", "MeV", "from there down to where -2 ln(L / L_max) = 1"),
        Field("sigma_high_mev", "MeV", "from there up to where -2 ln(L / L_max) = 1"),
        Field("nll", "nats", "-ln p(features | energy) there"),
        Field("converged", "", "whether there is a maximum with both ends of its interval"),
        Field("in_range", "", f"whether the energy is one of those of the training, {low:.6g} to {high:.6g} MeV"),
    )
    return Exportable(
        function,
        (voxels(spec.geometry, "of the shower"),),
        outputs,
        "Estimates energies of showers by maximum likelihood (arXiv:2404.18992).",
        (
            f"features of the shower: ln of the sum, {', '.join(spec.config.features)}",
            "zero mean and unit width given E",
        ),
    )


PIPELINE = Pipeline(
    fit=verbs.fit,
    load=verbs.load,
    verbs={CalibrateFit: Fit(given), CalibrateApply: Apply(cells, calibrate)},
    exportable={model.Spec: exportable},
)
