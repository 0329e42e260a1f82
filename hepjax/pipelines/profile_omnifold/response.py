"""The response's dependence on nuisance parameters, learned from simulations with several values of them.

A classifier that also sees theta tells events of the simulations with theta_j from nominal ones that are given a
random one of the theta_j; its log-odds at theta are log p(x, y | theta) / p(x, y), of the spectrum and the response
(arXiv:1506.02169, sec. 3). A second one that sees x alone takes the spectrum away (arXiv:2409.10421, eq. 8):

    log w(y, x, theta) = log R(x, y, theta) - log R(x, theta), less the same at the nominal theta, where log w = 0.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax import data, transforms
from hepjax.pipelines.events import reweighting
from hepjax.pipelines.events.reweighting import Ratio
from hepjax.pipelines.place import Place
from hepjax.pipelines.profile_omnifold.config import Learned
from hepjax.pipelines.profile_omnifold.steps import Response
from hepjax.types import AnyArray, Events, InputError, PRNGKey, Unfolding


def fit(
    key: PRNGKey,
    simulation: Unfolding,
    nominal: Float[AnyArray, " k"],
    variations: Sequence[tuple[Float[AnyArray, " _"], Unfolding]],
    config: Learned = Learned(),  # noqa: B008 - frozen
    *,
    folder: str | os.PathLike[str] | None = None,
    resume: bool = False,
) -> Response:
    """Learn the response for `profile_omnifold.fit`.

    simulation: made with the nuisance parameters `nominal`. variations: values of the parameters and the simulations
    made with them; these enclose the values that the data may have, and their spectra may differ. Events that pass at
    both levels are used. folder, resume: as in `omnifold.fit`.

    Returns (gen (d,), reco (e,), theta (k,)) -> (), log w. Raises InputError for simulations that cannot be used, with
    other columns than the nominal one, and for values of other parameters or fewer than two different ones.
    """
    values = np.array([np.atleast_1d(theta) for theta, _ in variations], np.float32)
    nominal = jnp.asarray(nominal, float)
    if values.shape[1:] != nominal.shape or len(np.unique(values, axis=0)) < 2 or not np.isfinite(values).all():
        raise InputError(f"variations: values of shape {values.shape}, expected two or more of {nominal.shape}")
    x, y, weight = _passing(simulation, simulation, "simulation")
    varied = [_passing(sample, simulation, f"variation {i}") for i, (_, sample) in enumerate(variations)]
    key_theta, *keys = jax.random.split(key, 3)
    drawn = values[np.asarray(jax.random.randint(key_theta, (len(x),), 0, len(values)))]
    theta = np.repeat(values, [len(sample[0]) for sample in varied], axis=0)
    varied_x, varied_y, varied_weight = (np.concatenate(parts) for parts in zip(*varied, strict=True))

    place = Place.of(folder, resume)
    see_x, see_y = (transforms.inputs.fit((a, weight), (b, varied_weight)) for a, b in ((x, varied_x), (y, varied_y)))
    x, varied_x, y, varied_y = see_x(x), see_x(varied_x), see_y(y), see_y(varied_y)

    def learn(key, name, nominal_events, varied_events):
        return reweighting.fit(
            key,
            config.hidden,
            Events(jnp.hstack([*nominal_events, drawn]), weight=jnp.asarray(weight)),
            Events(jnp.hstack([*varied_events, theta]), weight=jnp.asarray(varied_weight)),
            config.training,
            members=config.members,
            **place.at(name),
        )

    joint = _log_odds(learn(keys[0], "response_joint", (x, y), (varied_x, varied_y)), config)
    spectrum = _log_odds(learn(keys[1], "response_spectrum", (x,), (varied_x,)), config)

    def log_ratio(gen, reco, theta):
        gen, reco = see_x(gen), see_y(reco)
        return joint(jnp.concatenate([gen, reco, theta])) - spectrum(jnp.concatenate([gen, theta]))

    return lambda gen, reco, theta: log_ratio(gen, reco, theta) - log_ratio(gen, reco, nominal)


def _log_odds(ratio: Ratio, config: Learned):
    """x (d,) -> (), without the cut of `reweighting.log_ratio`, where derivatives vanish."""
    model = reweighting.classifier(len(ratio.constants.mean), config.hidden, config.members)
    scale = transforms.standardize()

    def log_odds(x: Float[Array, " d"]) -> Float[Array, ""]:
        return model.logits(ratio.params, scale.forward(ratio.constants, x)[0])

    return log_odds


def _passing(sample: Unfolding, nominal: Unfolding, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """gen, reco and weights, of mean one, of the events that pass at both levels."""
    data.unfolding.check(sample, name, negative_weights=False)
    if (sample.gen_columns, sample.reco_columns) != (nominal.gen_columns, nominal.reco_columns):
        raise InputError(f"{name}: other columns than the nominal simulation, expected the same in the same order")
    rows = np.flatnonzero(np.asarray(sample.pass_gen) & np.asarray(sample.pass_reco))
    x, y, weight = (np.asarray(a, np.float32)[rows] for a in (sample.gen, sample.reco, sample.weight))
    return x, y, weight / weight.mean()
