"""The residual net of showers: its convolutions, its symmetry, and what it sees."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax import nets
from hepjax.nets.resnet3d import Convolution

KEY = jax.random.key(0)

NET = nets.resnet3d((3, 8, 4), 2, (4, 6))
X = np.concatenate([np.full((5, 1), 4.0), np.random.default_rng(0).random((5, 96)) / 96], axis=1).astype("f")

pytestmark = pytest.mark.usefixtures("fast_compilation")


def random_params(shapes):
    """Any parameters of these shapes; nothing to compile."""
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda a: rng.normal(0, 0.3, a.shape).astype("f"), shapes)


@pytest.fixture(scope="module")
def params():
    return random_params(jax.eval_shape(NET.init, KEY))


def test_convolves_periodically_in_alpha_and_with_zeros_elsewhere():
    """Its first convolution against XLA's, of an input that is padded by hand."""
    layer = Convolution(2, size=7, stride=2)
    x = jax.random.normal(KEY, (3, 5, 8, 4, 1))
    params = random_params(jax.eval_shape(layer.init, KEY, x)["params"])
    dense = params["Project_0"]
    kernel = jnp.stack([dense[f"Dense_{i}"]["kernel"].reshape(7, 7, 1, 2) for i in range(7)])
    padded = jnp.pad(x, [(0, 0), (3, 3), (0, 0), (3, 3), (0, 0)])
    padded = jnp.concatenate([padded[:, :, -3:], padded, padded[:, :, :3]], axis=2)
    axes = ("NDHWC", "DHWIO", "NDHWC")
    # The columns of alpha are inside those of r in the kernel's rows.
    expected = jax.lax.conv_general_dilated(
        padded, jnp.swapaxes(kernel, 1, 2), (2, 2, 2), "VALID", dimension_numbers=axes
    )
    expected += sum(part["bias"] for part in dense.values())
    np.testing.assert_allclose(layer.apply({"params": params}, x), expected, atol=1e-4)


def test_does_not_see_a_shower_turn_by_all_its_strides(params):
    """Strides of 2, 1, 2 divide the circle of 8 bins: a turn by 4 gives the same numbers, one by 1 does not."""
    turns = [np.roll(X[:, 1:].reshape(5, 3, 8, 4), bins, axis=2).reshape(5, 96) for bins in (0, 4, 1)]
    same, turned, other = jax.jit(NET.apply)(params, np.stack([np.concatenate([X[:, :1], v], 1) for v in turns]))
    np.testing.assert_allclose(turned, same, rtol=1e-4)
    assert not np.allclose(other, same, rtol=1e-4)


def test_sees_the_energy_scale_and_the_incident_energy(params):
    """Norms of one shower would hide the scale; the skip around them does not."""
    gradient = jax.jit(jax.jacobian(lambda scale: NET.apply(params, X * scale).sum()))(np.ones(97, "f"))
    assert gradient[0] != 0 and abs(gradient[1:].sum()) > 1e-3
