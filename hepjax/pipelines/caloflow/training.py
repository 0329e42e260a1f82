"""The training of CaloFlow: its table of coordinates, and one fit a flow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from hepjax import dynamics, flows
from hepjax.caching import cached
from hepjax.pipelines.caloflow import model
from hepjax.pipelines.caloflow.coordinates import Encoded, Fitted
from hepjax.pipelines.showers import stored
from hepjax.training import Config, Encode, fit
from hepjax.training.history import write_histories
from hepjax.types import Events, PRNGKey, Showers, State

PIECE = 4096  # showers encoded at a time: the table of quantiles takes some kB each

FLOWS = ("layers", "cells", "student")
"""Names of the fits."""


def tables(key: PRNGKey, spec: model.Spec, train: Showers, held: Showers) -> tuple[Fitted, Encoded, Encoded]:
    """Constants fitted to the showers to train on, and the coordinates of these and of those held out.

    Every shower comes in `copies` draws of the noise.
    """
    key_fit, key_train, key_held = jax.random.split(key, 3)
    fitted = constants(key_fit, spec, train)

    def encode(key, showers):
        pieces = []
        for copy in jax.random.split(key, spec.config.copies):
            keys = dynamics.event_keys(copy, (len(showers),))
            for rows in np.array_split(np.arange(len(showers)), -(-len(showers) // PIECE)):
                pieces.append(model.encoder(spec)(keys[rows], fitted, _on_device(showers[rows])))
        return jax.tree.map(lambda *parts: jnp.concatenate(parts), *pieces)

    return fitted, encode(key_train, train), encode(key_held, held)


def constants(key: PRNGKey, spec: model.Spec, showers: Showers) -> Fitted:
    """Constants fitted to showers to train on."""
    return model.coordinates(spec).fit(dynamics.event_keys(key, (len(showers),)), _on_device(showers))


Inputs = Callable[[Callable[[Encoded], Events], Config], dict[str, Any]]
"""From which of the coordinates a flow trains on, and how, to the arguments of `training.fit`."""


def from_memory(train: Encoded, held: Encoded) -> Inputs:
    """Tables of coordinates."""

    def of(events, recipe):
        return {"data": events(train), "validation": events(held), "config": recipe}

    return of


def from_disk(spec: model.Spec, constants: Fitted, images: Int[np.ndarray, "o v"], divided: stored.Divided) -> Inputs:
    """Showers that become coordinates in each step, with fresh noise, in a random one of the orientations `images`."""

    def of(events, recipe):
        encode = Encode(_fresh(spec, events), (constants, images))
        config = divided.recipe(recipe)
        return {"data": divided.train, "validation": divided.held, "encode": encode, "config": config}

    return of


@cached
def _fresh(spec: model.Spec, events: Callable[[Encoded], Events]) -> Callable[..., Events]:
    """The function (key, (constants, images), showers) -> events to train on."""

    def encode(key, constants, showers):
        fitted, images = constants
        key_turn, key_noise = jax.random.split(key)
        showers, rows = _on_device(showers), showers.incident_energy.shape
        turned = images[jax.random.randint(key_turn, rows, 0, len(images))]
        voxels = jnp.take_along_axis(showers.voxels, turned, -1)
        keys, showers = dynamics.event_keys(key_noise, rows), Showers(showers.incident_energy, voxels, spec.geometry)
        return events(model.coordinates(spec).encode(keys, fitted, showers))

    return encode


def _lessons(encode: Encode, taught: tuple[Any, Any]) -> Encode:
    """What makes events into lessons of a teacher and a base of these parameters."""
    return Encode(_lesson(encode.function), (encode.constants, taught))


@cached
def _lesson(encode: Callable[..., Events] | None) -> Callable[..., flows.Lesson]:
    def of_events(key, constants, events):
        own, taught = constants
        return flows.lesson(key, taught, events if encode is None else encode(key, own, events))

    return of_events


def fit_flows(key: PRNGKey, spec: model.Spec, inputs: Inputs, folder: Path | None, resume: bool) -> model.Params:
    """Fit the flows of a spec one after the other; `folder` gets a checkpoint of each, and history.csv."""
    config, keys = spec.config, dict(zip(FLOWS, jax.random.split(key, len(FLOWS)), strict=True))
    histories = {}

    def run(name, trained, recipe, events, taught=None):
        place, arguments = None if folder is None else folder / name, inputs(events, recipe)
        if taught is not None:
            arguments["encode"] = _lessons(arguments.get("encode", Encode()), taught)
        fitted = fit(keys[name], trained, folder=place, resume=resume, name=name, **arguments)
        histories[name] = fitted.history
        return fitted.params

    if config.variant == "coupling":
        params = model.Params(None, run("cells", model.cells_flow(spec), config.training, _all), None)
    else:
        layers = run("layers", model.layers_flow(spec), config.layers_training, _of_layers)
        cells = run("cells", model.cells_flow(spec), config.training, _of_cells)
        student = None
        if config.variant == "student":
            teacher, pupil = (model.cells_blocks(spec, student) for student in (False, True))
            base = flows.normal(spec.geometry.voxels)
            fixed = cells["bijection"], cells["base"]
            learned = run("student", flows.distill(teacher, pupil, base), config.student_training, _of_cells, fixed)
            student = {"bijection": learned, "base": cells["base"]}
        params = model.Params(layers, cells, student)
    if folder is not None:
        write_histories(folder / "history.csv", histories)
    return params


def untrained(spec: model.Spec) -> State:
    """A state of the right shapes: constants of some showers, initial parameters."""
    energy = jnp.geomspace(1e3, 2e3, 2 * spec.nodes)
    showers = Showers(energy, jnp.ones((len(energy), spec.geometry.voxels)), spec.geometry)
    constants = model.coordinates(spec).fit(dynamics.event_keys(jax.random.key(0), energy.shape), showers)
    key, coupling = jax.random.key(0), spec.config.variant == "coupling"

    def shapes(flow):
        return jax.eval_shape(flow.init, key)

    layers = None if coupling else shapes(model.layers_flow(spec))
    student = shapes(model.cells_flow(spec, student=True)) if spec.config.variant == "student" else None
    return State(spec, constants, model.Params(layers, shapes(model.cells_flow(spec)), student))


def _of_layers(encoded: Encoded) -> Events:
    return Events(encoded.layers, encoded.energy)


def _of_cells(encoded: Encoded) -> Events:
    return Events(encoded.cells, jnp.concatenate([encoded.energy, encoded.layers], -1))


def _all(encoded: Encoded) -> Events:
    return Events(jnp.concatenate([encoded.layers, encoded.cells], -1), encoded.energy)


def _on_device(showers: Showers) -> Showers:
    return Showers(jnp.asarray(showers.incident_energy, float), jnp.asarray(showers.voxels, float), showers.geometry)
