"""Options of precision and of memory reach the nets of every pipeline: seen in the traced programs, nothing is run."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from hepjax.data import geometry
from hepjax.pipelines import posterior
from hepjax.pipelines.caloflow import model as caloflow_model
from hepjax.pipelines.caloflow.config import Config as CaloFlow
from hepjax.pipelines.posterior.config import Config as Generative
from hepjax.pipelines.squirels import model as squirels_model
from hepjax.pipelines.squirels.config import Config as Squirels
from hepjax.types import Coupled, Events

KEY, EVENTS = jax.random.key(0), 4
CELLS = geometry.named("crystals_10x10")
THREE_LAYERS = geometry.named("lar_3layers")


def coupled(dim, dim_cond):
    x = jnp.ones((EVENTS, dim))
    return Coupled(x, x, jnp.ones((EVENTS, dim_cond)))


def of_squirels(config):
    spec = squirels_model.Spec(config, CELLS, (44, 45, 54, 55), 2)
    bridge = squirels_model.build(spec).shape
    return bridge, coupled(squirels_model.shower_coordinates(spec).dim, 2)


def of_caloflow(config):
    spec = caloflow_model.Spec(config, THREE_LAYERS, (True, True), 2)
    if config.variant == "coupling":
        size, cond = THREE_LAYERS.voxels + spec.layers, 1
    else:
        size, cond = THREE_LAYERS.voxels, 1 + spec.layers
    return caloflow_model.cells_flow(spec), Events(jnp.ones((EVENTS, size)), jnp.ones((EVENTS, cond)))


def of_layers(config):
    spec = caloflow_model.Spec(config, THREE_LAYERS, (True, True), 2)
    return caloflow_model.layers_flow(spec), Events(jnp.ones((EVENTS, spec.layers)), jnp.ones((EVENTS, 1)))


def of_posterior(method):
    def made(config):
        batch = coupled(2, 1)
        bridge = posterior.MODELS[method](config, 2, 1)
        return bridge, batch

    return made


REMAT = "prevent_cse"  # an option that only what is computed again has


def program(made, config) -> str:
    """The traced gradient of a model's loss."""
    model, batch = made(config)
    params = jax.eval_shape(model.init, KEY)
    return str(jax.make_jaxpr(jax.grad(lambda params: model.loss(KEY, params, batch)[0]))(params))


CASES = {
    "squirels": (of_squirels, Squirels()),
    "squirels-conv": (of_squirels, Squirels(net="conv", coordinates="zscore")),
    "caloflow": (of_caloflow, CaloFlow()),
    "caloflow-coupling": (of_caloflow, CaloFlow(variant="coupling")),
    "caloflow-layers": (of_layers, CaloFlow()),
    **{name: (of_posterior(name), Generative()) for name in posterior.MODELS},
}


@pytest.mark.parametrize("name", CASES)
def test_precision_reaches_the_nets(name):
    made, config = CASES[name]
    assert "bf16" not in program(made, config)
    assert "bf16" in program(made, dataclasses.replace(config, precision="bfloat16"))


@pytest.mark.parametrize("name", ["squirels", "squirels-conv", "caloflow", "caloflow-coupling"])
def test_rematerialisation_reaches_the_nets(name):
    made, config = CASES[name]
    assert REMAT not in program(made, config)
    assert REMAT in program(made, dataclasses.replace(config, rematerialise=True))
