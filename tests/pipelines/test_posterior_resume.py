"""The fit of a posterior that is killed, within a training or between two, and resumed: the very numbers of an unbroken
one."""

import dataclasses

import jax
import numpy as np
import pytest
from toys import measured, same_numbers, toy_unfolding

from hepjax.pipelines import unfolding
from hepjax.pipelines.posterior.config import Config
from hepjax.training.config import Config as Training
from hepjax.types import InputError

pytestmark = pytest.mark.usefixtures("fast_compilation")

KEY = jax.random.key(0)
SHORT = Training(epochs=1, batch_size=50)
TINY = Config(
    width=8,
    blocks=1,
    steps=2,
    draws=2,
    iterations=2,
    tolerance=0.0,
    hidden=(8,),
    training=dataclasses.replace(SHORT, epochs=2, checkpoint_every=1),
    prior_training=SHORT,
)


@pytest.fixture(scope="module")
def arguments():
    """Key, a simulation of which some events are not measured, data, and options."""
    simulation = toy_unfolding(0, 240)
    simulation = dataclasses.replace(simulation, pass_reco=np.arange(240) % 6 > 0)
    return KEY, simulation, measured(toy_unfolding(1, 200, mean=0.3)), unfolding.Config("sbunfold", generative=TINY)


def test_a_killed_fit_resumes_to_identical_parameters(arguments, tmp_path, fit_until_killed):
    """Checkpoints: after both epochs of the bridge, of the efficiency, and of both networks of two iterations."""
    died = 0
    while not fit_until_killed(1, unfolding.fit, *arguments, folder=tmp_path / "killed", resume=bool(died)):
        died += 1
    assert died == 7
    unbroken = unfolding.fit(*arguments, folder=tmp_path / "unbroken")
    assert set(unbroken.params.shares) == {"efficiency"} and unbroken.params.prior is not None
    assert same_numbers(unfolding.fit(*arguments, folder=tmp_path / "killed", resume=True), unbroken)
    histories = [(tmp_path / name / "history.csv").read_text() for name in ("killed", "unbroken")]
    assert histories[0] == histories[1]
    assert same_numbers(unfolding.fit(*arguments), unbroken)


def test_a_folder_in_use_or_of_another_fit_is_refused(arguments, tmp_path):
    unfolding.fit(*arguments, folder=tmp_path)
    with pytest.raises(InputError, match="sbunfold: holds the checkpoint of a fit; expected resume"):
        unfolding.fit(*arguments, folder=tmp_path)
    with pytest.raises(InputError, match="sbunfold: holds a sbunfold with another key"):
        unfolding.fit(jax.random.key(1), *arguments[1:], folder=tmp_path, resume=True)
