"""Train the same model on one and on four host-platform devices; print a JSON of how far the results are apart.

Usage: devices.py checkpoint, with XLA_FLAGS=--xla_force_host_platform_device_count=4. Saves a state whose parameters
lie on four devices to `checkpoint`.
"""

import dataclasses
import json
import sys
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hepjax import devices
from hepjax.training import Config, Stream, checkpoint, fit
from hepjax.types import InputError, State

CONFIG = Config(epochs=10, batch_size=40, learning_rate=3e-3, accumulate=2)


def init(key, batch):
    a, b = jax.random.split(key)
    width = jnp.std(jax.tree.leaves(batch)[-1])  # the same on all devices, and from disk
    return {"a": jax.random.normal(a, (5, 16)) / width, "b": 0.3 * jax.random.normal(b, (16,))}


def loss(key, params, batch):
    x = batch["x"] + 0.1 * jax.random.normal(key, batch["x"].shape)
    residual = jnp.tanh(x @ params["a"]) @ params["b"] - batch["y"]
    return jnp.sum(batch["weight"] * residual**2) / jnp.sum(batch["weight"]), {"residual": jnp.mean(residual)}


MODEL = SimpleNamespace(init=init, loss=loss)


def data(dtype, rows):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 5))
    return {"x": x.astype(dtype), "y": np.sin(x[:, 0]).astype(dtype), "weight": rng.uniform(0.5, 2, rows).astype(dtype)}


def distance(dtype, rows) -> float:
    """Relative distance of everything a fit returns, one device against four, after a hundred steps."""
    one = fit(jax.random.key(0), MODEL, data(dtype, rows), CONFIG)
    with devices.use("all"):
        four = fit(jax.random.key(0), MODEL, data(dtype, rows), CONFIG)
    assert one.params["a"].dtype == dtype and len(one.params["a"].devices()) == 1
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(four), strict=True)
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(a)) for a, b in pairs)


def distance_of_stream() -> float:
    """The same of a fit on four devices that reads windows, against one device that has the table in memory."""
    config = dataclasses.replace(CONFIG, validation=0.0, window=120, block=10)
    events, key = data(np.float32, 400)["x"], jax.random.key(0)
    model = SimpleNamespace(
        init=init, loss=lambda key, params, x: loss(key, params, {"x": x, "y": x[:, 0], "weight": 1})
    )
    one = fit(key, model, events, config)
    with devices.use(4):
        four = fit(key, model, Stream(events), config)
    return max(float(np.linalg.norm(one.last[name] - x) / np.linalg.norm(x)) for name, x in four.last.items())


def refusal() -> str:
    try:
        config = dataclasses.replace(CONFIG, batch_size=42, accumulate=1)
        with devices.use(4):
            fit(jax.random.key(0), MODEL, data(np.float32, 400), config)
    except InputError as error:
        return str(error)
    return ""


def save(path: str) -> None:
    mesh = Mesh(np.array(jax.devices()), ("data",))
    params = jax.device_put(jnp.arange(8.0), NamedSharding(mesh, PartitionSpec("data")))
    checkpoint.save(path, State(None, jax.device_put(jnp.ones(3), NamedSharding(mesh, PartitionSpec())), params))


if __name__ == "__main__":
    assert jax.device_count() == 4
    # Of 400 events the validation chunks divide over four devices, of 450 they do not.
    report = {"float32": distance(np.float32, 400), "refusal": refusal(), "stream": distance_of_stream()}
    save(sys.argv[1])
    jax.config.update("jax_enable_x64", True)
    print(json.dumps({**report, "float64": distance(np.float64, 450)}))
