"""What `hepjax squirels` does: files in, files out."""

from __future__ import annotations

import jax

from hepjax import data, devices, runs, streams
from hepjax.cli.squirels import SquirelsFit, SquirelsRefine
from hepjax.pipelines import squirels
from hepjax.pipelines.squirels import model as squirels_model


def fit(options: SquirelsFit) -> None:
    """`hepjax squirels fit`: a run folder."""
    with devices.together():
        full = data.showers.read(options.full)
        fast = data.showers.read(options.fast, geometry=full.geometry)
    runs.fit(options, squirels, fast, full, options.config)


def refine(options: SquirelsRefine) -> None:
    """`hepjax squirels refine`: an HDF5 file of refined showers at the incident energies of the fast ones."""
    key = jax.random.key(options.seed)
    made = {"method": "SQuIRELS", "fast": options.fast, "model": str(options.model), **runs.provenance()}

    def fast(state):
        return data.showers.opened(options.fast, state.spec.geometry)

    with streams.opened(options, squirels, fast) as (state, showers):
        streams.require_known(showers.energies, squirels_model.known_energies(state), options.extrapolate)
        refine = streams.Work(
            lambda showers, rows: squirels.refine(key, state, showers, rows=rows, extrapolate=True),
            lambda path, refined: data.showers.write(path, refined, made),
            state.spec.geometry.voxels,
        )
        streams.run(options, state, showers, refine)
