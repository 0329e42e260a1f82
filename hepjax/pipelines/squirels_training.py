"""Training of SQuIRELS' bridges on a table of fast and full showers at nearly the same energy."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hepjax import bridges, training
from hepjax.pipelines import squirels_model as model
from hepjax.training import checkpoint
from hepjax.training.history import History, extend
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
    coords = model.shower_coordinates(spec)
    key_fast, key_full = jax.random.split(key)

    @jax.jit
    def encoded(key, constants, showers):
        keys = jax.random.split(key, showers.incident_energy.shape)
        return model.Bridges(*coords.encode(keys, constants, showers))

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
    """Iterative proportional fitting, whose half-passes run over the passes of the table in turn.

    The first half-pass, against the reference process, is twice as long as the others (arXiv:2308.12339). A finished
    half-pass leaves the resume token of the next one in `folder`. The moving goal of a half-pass has no validation.
    """
    del held
    recipe, bridge, coupled = _recipe(spec, which), getattr(model.build(spec), which), _coupled(spec, which, table)
    total = 2 * spec.config.iterations
    history: History = {}

    def fit(key, half, transitions, params, number):
        nonlocal history
        config = dataclasses.replace(recipe, epochs=2 * recipe.epochs) if number == 0 else recipe
        place = None if folder is None else folder / f"half_pass_{number}"
        name = f"{which} {number + 1}/{total}"
        fitted = training.fit(key, half, transitions, config, params=params, folder=place, resume=resume, name=name)
        history = extend(history, fitted.history | {"half_pass": np.full(fitted.history["epoch"].shape, number + 1)})
        return fitted.params

    def ends(number):
        source, target, cond, _ = jax.tree.map(lambda x: x[number % table.energy.shape[0]], coupled)
        return bridges.Ends(source, cond), bridges.Ends(target, cond)

    with _token(folder, resume, bridge) as (state, history_so_far, keep):
        history = history_so_far
        while state.half_pass < total:
            number = state.half_pass
            state = bridges.dsb_half_pass(key, fit, bridge, *ends(number), state)
            keep(state, history)
    return state.forward, history


@contextlib.contextmanager
def _token(folder: Path | None, resume: bool, bridge: bridges.DSB):
    """The last finished half-pass, its history, and `keep(state, history)` that records another."""
    if folder is None:
        yield bridges.IPFState(), {}, lambda state, history: None
        return
    # Both nets have the same shapes, and the backward one comes first: before it there is nothing to keep.
    params = bridge.forward.init(jax.random.key(0))
    with contextlib.closing(checkpoint.Store(folder / "finished", resume)) as store:
        found = store.restore({"forward": params, "backward": params})
        state, history = bridges.IPFState(), {}
        if found:
            arrays, notes = found
            state = bridges.IPFState(notes["half_pass"], arrays["forward"], arrays["backward"])
            history = {name: np.array(column) for name, column in notes["history"].items()}

        def keep(state, history):
            forward = params if state.forward is None else state.forward
            notes = {"half_pass": state.half_pass, "history": {k: v.tolist() for k, v in history.items()}}
            store.save(state.half_pass, {"forward": forward, "backward": state.backward}, notes)
            shutil.rmtree(folder / f"half_pass_{state.half_pass - 2}", ignore_errors=True)

        yield state, history, keep
