"""Training of SQuIRELS' bridges on a table of fast and full showers at nearly the same energy."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from hepjax import bridges, training
from hepjax.pipelines.squirels import ipf, model
from hepjax.training.history import History
from hepjax.types import Coupled, Params, PRNGKey, Showers


class Table(NamedTuple):
    """Fast and full showers side by side, in coordinates; leading axes (passes, n), each pass in rising energy.

    fast, full: response (..., 1) and shape (..., s). energy: standardised log energy of the full shower (..., 1).
    """

    fast: model.Bridges
    full: model.Bridges
    energy: Array


def encode(key: PRNGKey, spec: model.Spec, constants: model.Preprocessing, fast: Showers, full: Showers) -> Table:
    """The table of two samples of leading shape (passes, n), zeros spread at random."""

    def encoded(key, constants, showers):
        return model.encoder(spec)(jax.random.split(key, showers.incident_energy.shape), constants, showers)

    key_fast, key_full = jax.random.split(key)
    energy = model.standard_energy(constants, jnp.asarray(full.incident_energy))
    return Table(encoded(key_fast, constants.fast, fast), encoded(key_full, constants.full, full), energy)


def fit_bridge(
    key: PRNGKey,
    spec: model.Spec,
    which: str,
    table: Table,
    held: Table | None,
    folder: Path | None = None,
    resume: bool = False,
) -> tuple[Params, History]:
    """Train the bridge called `which`, response or shape: its parameters from the fast to the full simulation."""
    train = _fit_dsb if spec.config.method == "dsb" else _fit_matching
    return train(key, spec, which, table, held, folder, resume)


def _coupled(spec: model.Spec, which: str, table: Table) -> Coupled:
    """Source, target and condition of one bridge, with the table's leading axes."""
    if which == "response":
        return Coupled(table.fast.response, table.full.response, table.energy)
    cond = model.shape_condition(spec, table.energy, table.full.response, table.fast.response)
    return Coupled(table.fast.shape, table.full.shape, cond)


def _recipe(spec: model.Spec, which: str) -> training.Config:
    """Training options of one bridge; validation showers are held out before they are paired, not by the loop."""
    return dataclasses.replace(getattr(spec.config, f"{which}_training"), validation=0.0)


def _fit_matching(key, spec, which, table, held, folder, resume) -> tuple[Params, History]:
    """Flow matching on groups of `config.group` neighbours in energy, the rows of a batch."""

    def grouped(table):
        size = min(spec.config.group, table.energy.shape[1])
        return jax.tree.map(lambda x: x.reshape(-1, size, x.shape[-1]), _coupled(spec, which, table))

    bridge = getattr(model.build(spec), which)
    fitted = training.fit(
        key,
        bridge,
        grouped(table),
        _recipe(spec, which),
        validation=None if held is None else grouped(held),
        folder=folder,
        resume=resume,
        name=which,
    )
    return fitted.params, fitted.history


def _fit_dsb(key, spec, which, table, held, folder, resume) -> tuple[Params, History]:
    """Iterative proportional fitting, whose half-passes run over the passes of the table in turn."""
    del held  # the goal of a half-pass moves with the other net: there is no loss to validate
    coupled = _coupled(spec, which, table)

    def ends(half_pass):
        source, target, cond, _ = jax.tree.map(lambda x: x[half_pass % table.energy.shape[0]], coupled)
        return bridges.Ends(source, cond), bridges.Ends(target, cond)

    bridge, recipe = getattr(model.build(spec), which), _recipe(spec, which)
    state, history = ipf.fit(key, bridge, ends, spec.config.iterations, recipe, folder, resume, which)
    return state.forward, history
