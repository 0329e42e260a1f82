"""A table of events in pieces: the same as in one, compiled once, and where JAX traces too."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import devices

SIZE = 4


def noisy(key, scale, x, more, rows):
    noise = jax.vmap(lambda row: jax.random.normal(jax.random.fold_in(key, row), (2,)))(rows)
    return {"sum": scale * x + noise, "more": None if more is None else more[:, 0] ** 2}


function = jax.jit(noisy)
KEY, SCALE = jax.random.key(0), jnp.array(2.0)


def table(n):
    return np.arange(2.0 * n, dtype=np.float32).reshape(n, 2)


@pytest.mark.parametrize("n", [1, 4, 8, 11])
@pytest.mark.parametrize("more", [True, False])
def test_pieces_are_those_of_the_table(n, more):
    x = table(n)
    events = (x, x if more else None)
    expected = function(KEY, SCALE, *events, jnp.arange(n))
    found = devices.over_events(function, (KEY, SCALE), events, size=SIZE)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)


def test_rows_decide_the_noise():
    x = table(11)
    whole = devices.over_events(function, (KEY, SCALE), (x, None), size=SIZE)["sum"]
    part = devices.over_events(function, (KEY, SCALE), (x[6:], None), np.arange(6, 11), SIZE)["sum"]
    np.testing.assert_allclose(part, whole[6:], rtol=1e-6)


def test_tables_of_any_length_beyond_a_piece_compile_once():
    function = jax.jit(lambda fixed, x, rows: fixed * x)
    for n in (4, 5, 9, 30):
        devices.over_events(function, (SCALE,), (table(n),), size=SIZE)
    assert function._cache_size() == 1


@pytest.mark.parametrize("n", [3, 11])
def test_where_jax_traces(n):
    x = table(n)

    def total(scale, x):
        return devices.over_events(function, (KEY, scale), (x, x), size=SIZE)["sum"].sum()

    np.testing.assert_allclose(jax.jit(total)(SCALE, x), total(SCALE, x), rtol=1e-6)
    for gradient in (jax.grad(total, (0, 1)), jax.jit(jax.grad(total, (0, 1)))):
        by_scale, by_x = gradient(SCALE, x)
        np.testing.assert_allclose(by_scale, x.sum())
        np.testing.assert_allclose(by_x, np.full(x.shape, SCALE))
    several = jax.vmap(total, (0, None))(jnp.arange(3.0), x)
    np.testing.assert_allclose(several, [total(scale, x) for scale in jnp.arange(3.0)], rtol=1e-5, atol=1e-4)
