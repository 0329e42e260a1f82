"""What `hepjax caloflow` does: files in, files out."""

from __future__ import annotations

import functools

import jax

from hepjax import data, runs, streams
from hepjax.cli.caloflow import CaloflowFit, CaloflowSample
from hepjax.pipelines import caloflow
from hepjax.pipelines.caloflow import model as caloflow_model


def fit(options: CaloflowFit) -> None:
    """`hepjax caloflow fit`: a run folder."""
    copies = functools.partial(caloflow.in_memory, options.config)
    with runs.showers(options.showers, options.memory_gib, copies) as showers:
        runs.fit(options, caloflow, showers, options.config)


def sample(options: CaloflowSample) -> None:
    """`hepjax caloflow sample`: an HDF5 file of generated showers."""
    key = jax.random.key(options.seed)
    made = {"method": "CaloFlow", "energies": options.energies, "model": str(options.model), **runs.provenance()}
    with streams.opened(options, caloflow, lambda _: data.showers.opened_energies(options.energies)) as (state, given):
        streams.require_known(given, caloflow_model.known_energies(state), options.extrapolate)
        sample = streams.Work(
            lambda energies, rows: caloflow.sample(key, state, energies, rows=rows, extrapolate=True),
            lambda path, generated: data.showers.write(path, generated, made),
            state.spec.geometry.voxels,
        )
        streams.run(options, state, given, sample)
