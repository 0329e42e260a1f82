"""SQuIRELS from samples to refined showers: physical, reproducible, differentiable, saved and loaded."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import TINY, TINY_DSB, physical, same_numbers, toy_showers

from hepjax.pipelines.squirels import config as squirels_config
from hepjax.pipelines.squirels import model
from hepjax.pipelines.squirels import verbs as squirels
from hepjax.training import checkpoint
from hepjax.types import InputError, Showers, State

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
CONFIGS = {"matching": TINY, "dsb": TINY_DSB}
BOTH = pytest.mark.parametrize("method", list(CONFIGS))


@pytest.fixture(scope="module")
def fitted(samples):
    """States of both methods, each fitted once."""
    return functools.cache(lambda method: squirels.fit(KEY, *samples[:2], CONFIGS[method]))


@BOTH
def test_refined_showers_are_physical(fitted, samples, method):
    fast = samples[2]
    refined = squirels.refine(KEY, fitted(method), fast)
    assert physical(refined) and len(refined) == len(fast) and refined.geometry == fast.geometry
    np.testing.assert_array_equal(refined.incident_energy, fast.incident_energy)
    assert (np.asarray(refined.voxels) == 0).any()
    response = np.asarray(refined.voxels).sum(1) / fast.incident_energy
    assert (response > 0.9).all() and (response < 1.05).all()


def test_normal_scores_reach_the_law_of_the_full_sample_without_learning(fitted, samples):
    """Recalibrated marginals decode to those of the full sample: mean cells within 5 errors of 128 and 200 events,
    though two epochs teach a net of width 8 nothing."""
    full, refined = samples[1], squirels.refine(KEY, fitted("matching"), samples[2])
    a, b = (np.asarray(s.voxels) / np.asarray(s.incident_energy)[:, None] for s in (refined, full))
    error = np.hypot(a.std(0) / np.sqrt(len(a)), b.std(0) / np.sqrt(len(b)))
    assert (np.abs(a.mean(0) - b.mean(0)) < 5 * error).all()


@BOTH
def test_both_bridges_have_learned(fitted, samples, method):
    """Nets start as the zero function, and are none when they are fitted: showers change without either."""
    state, fast = fitted(method), samples[2]
    refined = squirels.refine(KEY, state, fast).voxels
    for part in state.params._fields:
        start = state.params._replace(**{part: jax.tree.map(jnp.zeros_like, getattr(state.params, part))})
        moved = np.abs(squirels.refine(KEY, state._replace(params=start), fast).voxels - refined)
        assert np.mean(moved > 1) > 0.01  # MeV, of showers of some 50,000


@BOTH
def test_the_key_decides_everything(fitted, samples, method):
    state, fast = fitted(method), samples[2]
    one, same, other = (squirels.refine(jax.random.key(seed), state, fast).voxels for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.allclose(one, other, rtol=1e-3)


def test_a_second_fit_gives_the_same_numbers(fitted, samples):
    assert same_numbers(squirels.fit(KEY, *samples[:2], TINY), fitted("matching"))


@pytest.mark.parametrize("method, size", [("matching", 128), ("dsb", 100)])
def test_the_size_of_the_pieces_does_not_matter(fitted, samples, method, size):
    """128 showers in two halves, and in one piece, or in one with a rest."""
    state = fitted(method)
    spec = dataclasses.replace(state.spec, config=dataclasses.replace(state.spec.config, refine_batch=size))
    halves, other = (squirels.refine(KEY, s, samples[2]).voxels for s in (state, state._replace(spec=spec)))
    np.testing.assert_allclose(halves, other, rtol=1e-3, atol=1.0)


@BOTH
def test_a_second_refinement_compiles_nothing(fitted, samples, method):
    state = fitted(method)
    squirels.refine(KEY, state, samples[2])
    compiled = model.refiner(state.spec)._cache_size()
    copied = State(dataclasses.replace(state.spec), *jax.tree.map(lambda a: 1.01 * a, state[1:]))
    squirels.refine(jax.random.key(5), copied, samples[2])
    assert model.refiner(copied.spec)._cache_size() == compiled


@BOTH
def test_saved_and_loaded_states_give_identical_numbers(fitted, samples, method, tmp_path):
    state = fitted(method)
    squirels.save(tmp_path / "model", state)
    loaded = squirels.load(tmp_path / "model")
    assert loaded.spec == state.spec and same_numbers(loaded, state)
    a, b = (squirels.refine(KEY, s, samples[2]).voxels for s in (state, loaded))
    np.testing.assert_array_equal(a, b)


@BOTH
def test_the_gradient_matches_finite_differences(fitted, samples, method):
    """Of the mean refined energy, in float64: every input energy moves in a random direction of its own."""
    with jax.enable_x64(True):
        state = fitted(method)
        state = State(state.spec, *jax.tree.map(lambda a: jnp.asarray(a, float), state[1:]))
        fast = samples[2][:64]
        energy, voxels = (jnp.asarray(a, float) for a in (fast.incident_energy, fast.voxels))
        rng = np.random.default_rng(0)
        along_energy, along_voxels = energy * rng.uniform(0, 1, energy.shape), voxels * rng.uniform(0, 1, voxels.shape)

        def mean(energy, voxels):
            return squirels.refine(KEY, state, Showers(energy, voxels, fast.geometry)).voxels.sum(-1).mean()

        by_energy, by_voxels = jax.grad(mean, argnums=(0, 1))(energy, voxels)
        assert jnp.isfinite(by_energy).all() and jnp.isfinite(by_voxels).all()
        h = 1e-8  # kinks of the tables are as close as 1e-6
        for gradient, direction, moved in (
            (by_energy, along_energy, lambda h: mean(energy + h * along_energy, voxels)),
            (by_voxels, along_voxels, lambda h: mean(energy, voxels + h * along_voxels)),
        ):
            slope = (moved(h) - moved(-h)) / (2 * h)
            assert abs(slope) > 1.0
            np.testing.assert_allclose(jnp.sum(gradient * direction), slope, rtol=0.01)


@pytest.mark.parametrize("slope, symmetry, images", [(0, "auto", 8), (0, "none", 1), (0.2, "auto", 1)])
def test_the_square_is_turned_only_where_both_samples_allow(samples, slope, symmetry, images):
    config = dataclasses.replace(TINY, symmetry=symmetry)
    assert len(squirels._images(config, samples[0], toy_showers(1, 400, slope=slope))) == images


@pytest.mark.parametrize("config", [squirels.Config(), squirels_config.PAPER, squirels_config.DSB_CPU])
def test_nets_of_the_recipes_fit_their_coordinates(config):
    """Shapes alone, of 10 x 10 cells: nothing is computed."""
    spec = model.Spec(config, toy_showers(0, 1, name="crystals_10x10").geometry, (44, 45, 54, 55), 4)
    dims = {"response": 1, "shape": model.shower_coordinates(spec).dim}
    conditions = {"response": 1, "shape": 3 if config.method == "dsb" else 2}
    for which, dim in dims.items():
        bridge = getattr(model.forward(spec), which)
        params = jax.eval_shape(bridge.init, KEY)
        x, cond = jax.ShapeDtypeStruct((5, dim), float), jax.ShapeDtypeStruct((5, conditions[which]), float)
        assert jax.eval_shape(bridge.transport, KEY, params, x, cond).shape == (5, dim)


GOOD = toy_showers(0, 120)


def altered(**changes):
    return dataclasses.replace(GOOD, **changes)


BAD_SAMPLES = {
    "few": (GOOD[:99], "99 fast showers, a fit needs at least 100"),
    "geometry": (
        toy_showers(0, 120, name="crystals_3x4"),
        "geometry crystals_3x4, expected the full ones' crystals_4x4",
    ),
    "energies": (altered(incident_energy=GOOD.incident_energy / 100), "expected common energies"),
    "nan": (altered(voxels=np.where(GOOD.voxels > 2e4, np.nan, GOOD.voxels)), "fast:showers: nan MeV in row"),
    "negative": (altered(voxels=GOOD.voxels - 1), "fast:showers: -1.0 MeV in row"),
    "no energy": (altered(voxels=0 * GOOD.voxels), "fast showers without any energy"),
    "lengths": (altered(voxels=GOOD.voxels[:110]), "120 incident_energies but 110 showers"),
}


@pytest.mark.parametrize("fast, expected", BAD_SAMPLES.values(), ids=BAD_SAMPLES.keys())
def test_bad_samples_are_one_line(fast, expected):
    with pytest.raises(InputError) as error:
        squirels.fit(KEY, fast, GOOD, TINY)
    assert expected in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change, expected",
    [
        ({"group": 0}, "group is 0, expected at least 1"),
        ({"steps": 0}, "steps is 0, expected at least 1"),
        ({"nodes": 1}, "nodes is 1, expected at least 2"),
        ({"validation": 1.0}, "validation is 1.0, expected at least 0 and less than 1"),
        ({"gamma": 0.0}, "expected gamma above zero"),
        ({"net": "conv"}, "net conv with coordinates quantile, expected zscore"),
    ],
    ids=str,
)
def test_options_out_of_range_are_one_line(change, expected):
    with pytest.raises(InputError, match=expected):
        squirels.fit(KEY, GOOD, GOOD, dataclasses.replace(TINY, **change))


def test_showers_of_another_geometry_are_refused(fitted):
    with pytest.raises(InputError, match="geometry crystals_3x4, the model expects crystals_4x4"):
        squirels.refine(KEY, fitted("dsb"), toy_showers(0, 10, name="crystals_3x4"))


def test_the_checkpoint_of_another_model_is_refused(tmp_path):
    checkpoint.save(tmp_path / "model", State("a classifier", {}, {}))
    with pytest.raises(InputError, match=r"model: holds another model.*, expected one of SQuIRELS"):
        squirels.load(tmp_path / "model")
