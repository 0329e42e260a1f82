"""Made-up showers and events to unfold, and the smallest options of SQuIRELS that do everything."""

import dataclasses

import jax
import numpy as np

from hepjax.data import geometry
from hepjax.pipelines import squirels
from hepjax.training import Config as Training
from hepjax.types import Column, Measured, Showers, Unfolding

SHORT = Training(epochs=2, batch_size=8, checkpoint_every=1)
TINY = squirels.Config(
    response_width=8,
    width=8,
    blocks=1,
    steps=2,
    group=16,
    refine_batch=64,
    response_training=SHORT,
    shape_training=SHORT,
)
TINY_DSB = dataclasses.replace(
    TINY,
    method="dsb",
    coordinates="zscore",
    iterations=2,
    response_training=dataclasses.replace(SHORT, epochs=1, batch_size=64),
    shape_training=dataclasses.replace(SHORT, epochs=1, batch_size=64),
)


def toy_showers(seed, n, *, width=0.9, slope=0.0, name="crystals_4x4"):
    """Showers of 10 to 100 GeV around the middle of a grid; cells under 0.1 percent of the energy are exactly zero.

    width: of the shower, in cells. slope: leans the mean shower to one side.
    """
    rng, shape = np.random.default_rng(seed), geometry.named(name).shape
    energy = 1e4 * 10 ** rng.uniform(size=n)
    away = [np.arange(k) - (k - 1) / 2 for k in shape]
    profile = np.exp(-0.5 * np.add.outer(away[0] ** 2, away[1] ** 2) / width**2 + slope * away[1]).ravel()
    cells = rng.gamma(5 * profile / profile.max() + 0.05, size=(n, profile.size))
    share = cells / cells.sum(1, keepdims=True)
    share = np.where(share > 1e-3, share, 0) * rng.normal(0.97, 0.01, size=(n, 1))
    return Showers(energy.astype(np.float32), (share * energy[:, None]).astype(np.float32), geometry.named(name))


TOY_COLUMNS = (Column("x_gev", "GeV"), Column("count"))
TOY_SMEAR = 0.5


def toy_unfolding(seed, n, *, mean=0.0):
    """A normal quantity smeared by 0.5, and a count that depends on it, measured with losses."""
    rng = np.random.default_rng(seed)
    x = rng.normal(mean, 1, n)
    count = rng.poisson(np.exp(1.5 + 0.2 * x))
    gen = np.stack([x, count], 1).astype(np.float32)
    reco = np.stack([x + TOY_SMEAR * rng.normal(size=n), rng.binomial(count, 0.8)], 1).astype(np.float32)
    every = np.ones(n, bool)
    return Unfolding(gen, reco, np.ones(n, np.float32), every, every, TOY_COLUMNS, TOY_COLUMNS)


def measured(sample):
    """The detector level of events to unfold."""
    return Measured(sample.reco, sample.weight, sample.reco_columns)


def physical(showers):
    """Finite, no cell below zero."""
    voxels = np.asarray(showers.voxels)
    return bool(np.isfinite(voxels).all() and (voxels >= 0).all())


def same_numbers(a, b):
    """Whether two trees are equal to the last bit."""
    return jax.tree.structure(a) == jax.tree.structure(b) and jax.tree.all(jax.tree.map(np.array_equal, a, b))
