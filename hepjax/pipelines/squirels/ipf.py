"""Training of a diffusion Schroedinger bridge: one `training.fit` a half-pass, resumable at any step of any of them."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hepjax import bridges, training
from hepjax.training import checkpoint, identity, spec
from hepjax.training.history import History, extend
from hepjax.types import PRNGKey

Keep = Callable[[bridges.IPFState, History], None]


def fit(
    key: PRNGKey,
    bridge: bridges.DSB,
    ends: Callable[[int], tuple[bridges.Ends, bridges.Ends]],
    iterations: int,
    recipe: training.Config,
    folder: Path | None = None,
    resume: bool = False,
    name: str = "dsb",
) -> tuple[bridges.IPFState, History]:
    """Iterative proportional fitting: both nets after 2 * iterations half-passes, and the history of all of them.

    The first half-pass, against the reference process, is twice as long as the others (arXiv:2308.12339).

    ends: half_pass -> source and target events; of equal sizes, so that nothing recompiles. folder: where the last
    finished half-pass and the checkpoints of the one under way are kept; resume continues from there. Raises InputError
    where these are of another fit.
    """

    def half_pass(key, half, transitions, params, number):
        nonlocal history
        config = dataclasses.replace(recipe, epochs=2 * recipe.epochs) if number == 0 else recipe
        place = None if folder is None else _place(folder, number)
        title = f"{name} {number + 1}/{2 * iterations}"
        fitted = training.fit(key, half, transitions, config, params=params, folder=place, resume=resume, name=title)
        history = extend(history, fitted.history | {"half_pass": np.full(len(fitted.history["epoch"]), number + 1)})
        return fitted.params

    fixed = {"key": jax.random.key_data(key).tolist(), "iterations": iterations, "config": spec.encode(recipe)}
    itself = fixed | identity.of({"data": ends(0)})
    with _finished(folder, resume, bridge, itself, name) as (state, history, keep):
        while state.half_pass < 2 * iterations:
            state = bridges.dsb_half_pass(key, half_pass, bridge, *ends(state.half_pass), state)
            keep(state, history)
    return state, history


@contextlib.contextmanager
def _finished(
    folder: Path | None, resume: bool, bridge: bridges.DSB, itself: Mapping[str, Any], name: str
) -> Iterator[tuple[bridges.IPFState, History, Keep]]:
    """The half-passes finished so far, their history, and the function that keeps another."""
    if folder is None:
        yield bridges.IPFState(), {}, lambda state, history: None
        return
    shapes = {"forward": bridge.forward.init(jax.random.key(0)), "backward": bridge.backward.init(jax.random.key(0))}

    def keep(state: bridges.IPFState, history: History) -> None:
        forward = shapes["forward"] if state.forward is None else state.forward
        notes = {"half_pass": state.half_pass, "history": {k: v.tolist() for k, v in history.items()}}
        notes |= {"identity": itself}
        store.save(state.half_pass, {"forward": forward, "backward": state.backward}, notes)
        # This one may still be under way to the disk; the one before is complete.
        shutil.rmtree(_place(folder, state.half_pass - 2), ignore_errors=True)

    with contextlib.closing(checkpoint.Store(folder / "finished", resume)) as store:
        found = store.restore(shapes)
        if found:
            identity.require(store.folder, name, found[1].get("identity", {}), itself)
        state, history = _restored(*found) if found else (bridges.IPFState(), {})
        yield state, history, keep


def _restored(arrays, notes) -> tuple[bridges.IPFState, History]:
    # The first half-pass trains the backward net only.
    forward = arrays["forward"] if notes["half_pass"] > 1 else None
    history = {name: np.array(column) for name, column in notes["history"].items()}
    return bridges.IPFState(notes["half_pass"], forward, arrays["backward"]), history


def _place(folder: Path, half_pass: int) -> Path:
    return folder / f"half_pass_{half_pass}"
