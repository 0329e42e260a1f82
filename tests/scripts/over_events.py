"""Apply functions to events on four host devices and on one; print a JSON of whether the results are the same.

Usage: over_events.py, with JAX_NUM_CPU_DEVICES=4.
"""

import json

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import devices

KEY, SCALE = jax.random.key(0), jnp.arange(3.0)
TRACES = []


def smear(key, scale, events, rows):
    """Noise by the number of each event."""
    TRACES.append(1)
    noise = jax.vmap(lambda row: jax.random.normal(jax.random.fold_in(key, row), (3,)))(rows)
    return {"x": events["x"] * scale + noise, "row": rows}


def same(n, size=None, rows=None):
    """Four devices against one without any pieces."""
    events = ({"x": np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)},)
    whole = jax.jit(smear)(KEY, SCALE, *events, jnp.arange(n) if rows is None else rows)
    with devices.use("all"):
        shared = devices.over_events(smear, (KEY, SCALE), events, rows, size)
    # Programs for other shapes round otherwise.
    return np.array_equal(whole["row"], shared["row"]) and np.allclose(whole["x"], shared["x"], rtol=1e-6, atol=1e-6)


def recompiles():
    """Whether further tables of other lengths compile anything, in pieces of one size."""
    before = len(TRACES)
    with devices.use("all"):
        for n in (70, 90):
            devices.over_events(smear, (KEY, SCALE), ({"x": np.zeros((n, 3), np.float32)},), None, 8)
    return len(TRACES) > before + 1


def sizes():
    """Devices that share work, outside and inside of blocks."""
    found = [devices.mesh().size]
    for count in ("all", 2, 1):
        with devices.use(count):
            found.append(devices.own_mesh().size)
    return [*found, devices.mesh().size]


if __name__ == "__main__":
    assert jax.device_count() == 4
    with devices.use(3):
        placed = devices.replicate({"a": np.arange(3)}, devices.mesh())["a"]
    print(
        json.dumps(
            {
                "even": same(40),
                "remainder": same(41),
                "pieces": same(41, size=4),
                "one event": same(1),
                "own rows": same(10, rows=jnp.arange(10) + 100),
                "recompiles": recompiles(),
                "sizes": sizes(),
                "replicas": len(placed.devices()) if placed.is_fully_replicated else 0,
            }
        )
    )
