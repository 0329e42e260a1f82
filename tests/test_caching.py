"""The cache of models and programs: one object whatever the form of a call, few of them, and nothing left behind."""

import gc
import re
import weakref
from pathlib import Path

import jax
import numpy as np
import pytest

from hepjax import bridges, caching, classifiers, flows, nets
from hepjax.pipelines.events import reweighting
from hepjax.training import Config, fit
from hepjax.types import Labelled

KEY = jax.random.key(0)
PACKAGE = Path(caching.__file__).parent


@pytest.mark.parametrize(
    "one, other",
    [
        (lambda: nets.mlp(2, 1, (64, 64)), lambda: nets.mlp(2, dim_out=1, hidden=[64, 64], time=False)),
        (lambda: flows.spline(), lambda: flows.spline(8, bound=5.0)),
        (lambda: flows.permute((1, 0)), lambda: flows.permute(order=[1, 0])),
        (lambda: reweighting.classifier(2, (8,)), lambda: reweighting.classifier(2, hidden=[8], members=1)),
        (lambda: bridges.matching(nets.sbunfold(2)), lambda: bridges.matching(nets.sbunfold(dim=2), steps=20)),
        (lambda: flows.coupling(2, flows.affine()), lambda: flows.coupling(2, flows.affine(3.0), depth=6)),
    ],
    ids=["mlp", "spline", "permute", "classifier", "matching", "coupling"],
)
def test_the_form_of_a_call_makes_no_other_model(one, other):
    assert one() is other()


def test_other_arguments_make_other_models():
    assert nets.mlp(2, 1, (64, 64)) is not nets.mlp(2, 1, (64, 65))


def test_of_many_models_the_last_ones_stay():
    made = [weakref.ref(classifiers.binary(nets.mlp(1, 1, (8, width))).loss) for width in range(3 * caching.MOST)]
    gc.collect()
    alive = [n for n, loss in enumerate(made) if loss() is not None]
    assert alive == list(range(2 * caching.MOST, 3 * caching.MOST))


@pytest.mark.usefixtures("fast_compilation")
def test_a_scan_over_nets_leaves_few_programs_and_arrays(monkeypatch):
    """More nets than are kept: their programs, and the arrays in them, go with the models."""
    client, rng = jax.devices()[0].client, np.random.default_rng(0)
    x = rng.normal(size=(64, 2)).astype(np.float32)
    batch, config = Labelled(x, (x[:, 0] > 0).astype(np.float32)), Config(epochs=1, batch_size=32, validation=0.0)
    monkeypatch.setattr(caching, "MOST", 2)
    numbers = []
    for width in range(3, 7):
        fit(KEY, classifiers.binary(nets.mlp(2, 1, (width,))), batch, config)
        gc.collect()
        numbers.append((len(client.live_executables()), len(jax.live_arrays())))
    assert numbers[-1] == numbers[1]


def test_nothing_is_cached_without_a_bound():
    """Nor on arguments as they were written."""
    sources = {path: path.read_text() for path in PACKAGE.rglob("*.py") if path != PACKAGE / "caching.py"}
    assert not [path for path, source in sources.items() if re.search(r"functools\.cache|lru_cache\((None|\))", source)]
