"""The correction of the prior on normal events whose posterior is known: exact draws, small networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hepjax.pipelines.place import Place
from hepjax.pipelines.posterior import prior
from hepjax.pipelines.posterior.config import Config
from hepjax.training.config import Config as Training

N, SMEAR = 4000, 1.0
CONFIG = Config(
    iterations=10,
    hidden=(16, 16),
    prior_training=Training(epochs=20, batch_size=500, learning_rate=3e-3, ema=0.95, epochs_per_call=10),
)
pytestmark = pytest.mark.usefixtures("fast_compilation")


def drawn(rng, mean):
    """Events around a mean, measured with their own width, and draws of p(x | reco) with the prior N(0, 1)."""
    reco = rng.normal(mean, np.sqrt(1 + SMEAR**2), N)
    share = 1 / (1 + SMEAR**2)
    draws = share * reco[:, None] + np.sqrt(1 - share) * rng.normal(size=(N, CONFIG.draws))
    reco, draws = (jnp.asarray(a[..., None], jnp.float32) for a in (reco, draws))
    return prior.Drawn(reco, draws, jnp.ones(N))


def corrected(mean):
    """The correction for data around a mean, and other data of that law to try it on."""
    rng = np.random.default_rng(0)
    correction, histories = prior.correct(jax.random.key(0), CONFIG, drawn(rng, 0.0), drawn(rng, mean), Place())
    return correction, histories, drawn(rng, mean)


def test_the_mean_is_that_of_the_data():
    """1, where draws without correction have 0.5, and one of four draws by weight ends at 0.77.

    The error of the mean is 0.03, of 4,000 events of the data and as many of the simulation. The weights are those of
    the true ratio exp(x - 1/2), whose effective share is exp(-1/2) = 0.61.
    """
    correction, histories, data = corrected(1.0)
    x, weight = (
        np.asarray(a, float) for a in (data.turn(0)[:, 0], prior.factor(CONFIG, correction, data.reco, data.turn(0)))
    )
    assert abs(x.mean() - 0.5) < 0.04
    assert abs(np.average(x, weights=weight) - 1) < 0.09 and abs(weight.mean() - 1) < 0.05
    found = prior.summary(correction)
    assert 0.4 < found["effective"][-1] < 0.7
    assert found["change"][0] > 10 and found["change"][-1] < 3  # in units of what the data can see
    assert list(histories) == [
        f"{name}_{k + 1}" for k in range(len(found["change"])) for name in ("prior", "prior_mean")
    ]
    assert (histories["prior_1"]["change"] == found["change"][0]).all()


def test_data_of_the_simulations_own_law_need_one_iteration_or_few():
    """The prior is right at the start, and the weights stay near one."""
    found = prior.summary(corrected(0.0)[0])
    assert len(found["change"]) <= 4 and found["change"][0] < 2 and found["effective"][-1] > 0.95
