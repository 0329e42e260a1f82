"""Small fitted states of every pipeline that can be exported, and what their live functions give."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from toys import TINY, measured, toy_showers, toy_unfolding

from hepjax import dynamics, transforms
from hepjax.pipelines import anomaly, calibration, caloflow, omnifold, posterior, unfolding
from hepjax.pipelines.anomaly import model as anomaly_model
from hepjax.pipelines.calibration import model as calibration_model
from hepjax.pipelines.caloflow import model as caloflow_model
from hepjax.pipelines.caloflow import training as caloflow_training
from hepjax.pipelines.events import observables
from hepjax.pipelines.posterior.config import Config as Generative
from hepjax.pipelines.showers.coordinates import log_energy
from hepjax.pipelines.squirels import model as squirels_model
from hepjax.pipelines.squirels import verbs as squirels
from hepjax.training import Config as Training
from hepjax.types import State

KEY, N = jax.random.key(7), 20
CALOFLOW = caloflow.Config(variant="coupling", depth=1, hidden=(8,), bins=4)
STUDENT = caloflow.Config(variant="student", depth=1, hidden=(8,), layers_depth=1, layers_hidden=(8,), bins=4)
CALIBRATION = calibration.Config(members=2, hidden=(8,))
POSTERIOR = Generative(width=8, blocks=1, steps=2, draws=3, iterations=1, hidden=(8,))
OMNIFOLD = omnifold.Config(iterations=1, hidden=(8,), training=Training(epochs=2, batch_size=64))
SAMPLE, SHOWERS = toy_showers(0, 200), toy_showers(2, N)
SIMULATION, EVENTS = toy_unfolding(0, 400), toy_unfolding(3, N)


class Case(NamedTuple):
    """A fitted state, the arrays that its exported function takes but for the noise, and the live numbers."""

    state: State
    arrays: dict
    live: dict


def random_like(tree):
    """Parameters that are nowhere zero: the numbers of a net are compared, not their sense."""
    rng = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0, 0.1, leaf.shape), leaf.dtype), tree)


def squirels_state():
    spec = squirels_model.Spec(TINY, SAMPLE.geometry, (5, 6, 9, 10), 2)
    given, rng = log_energy(SAMPLE.incident_energy), np.random.default_rng(1)
    marginals = (squirels_model.scores(spec).fit(rng.normal(0, 1.2, (len(SAMPLE), d)), given) for d in (1, 15))
    constants = squirels._preprocess(KEY, spec, SAMPLE, SAMPLE)
    constants = constants._replace(marginals=squirels_model.Bridges(*marginals))
    return State(spec, constants, random_like(squirels._untrained(spec).params))


@functools.cache
def caloflow_state(config=CALOFLOW):
    spec = caloflow_model.Spec(config, SAMPLE.geometry, (), 2)
    keys = dynamics.event_keys(KEY, (len(SAMPLE),))
    constants = caloflow_model.coordinates(spec).fit(keys, jax.tree.map(jnp.asarray, SAMPLE))
    return State(spec, constants, random_like(caloflow_training.untrained(spec).params))


@functools.cache
def calibration_state():
    spec = calibration_model.Spec(CALIBRATION, SAMPLE.geometry, 0)
    constants = calibration_model.fit_constants(spec, SAMPLE, None)
    return State(spec, constants, random_like(calibration_model.untrained(spec)[1]))


@functools.cache
def anomaly_state():
    parts = caloflow_state(), calibration_state()
    spec = anomaly_model.Spec(anomaly.Config(CALOFLOW, CALIBRATION, draws=2, degree=1), *(part.spec for part in parts))
    columns = jnp.full((2, len(anomaly_model.quantities(spec))), 0.5)
    usual = transforms.Trend(jnp.full((), 10.0), jnp.ones(()), columns, columns)
    constants = anomaly_model.Constants(*(part.constants for part in parts), anomaly_model.Trends(*[usual] * 3))
    return State(spec, constants, anomaly_model.Params(*(part.params for part in parts)))


def posterior_state():
    sample, kinds = SIMULATION, [observables.kinds(table) for table in (SIMULATION.gen, SIMULATION.reco)]
    spec = posterior.Spec("sbunfold", POSTERIOR, sample.gen_columns, sample.reco_columns, *kinds, ())
    tables = zip(posterior.coordinates(spec), (sample.gen, sample.reco), strict=True)
    levels = posterior.Levels(*(coords.fit(KEY, table, sample.weight) for coords, table in tables))
    return State(spec, levels, random_like(posterior.untrained(spec).params))


def case_squirels():
    state = squirels_state()
    arrays = {"incident_energy": SHOWERS.incident_energy, "voxels": SHOWERS.voxels}
    return Case(state, arrays, {"voxels": squirels.refine(KEY, state, SHOWERS).voxels})


def case_caloflow(config=CALOFLOW):
    state = caloflow_state(config)
    energy = np.clip(SHOWERS.incident_energy, *state.constants.incident_range)
    live = caloflow.sample(KEY, state, energy)
    return Case(state, {"incident_energy": energy}, {"voxels": live.voxels})


def case_calibration():
    live = calibration.calibrate(calibration_state(), SHOWERS.voxels)
    return Case(calibration_state(), {"voxels": SHOWERS.voxels}, live._asdict())


def case_anomaly():
    live = anomaly.score(KEY, anomaly_state(), SHOWERS.voxels)
    return Case(anomaly_state(), {"voxels": SHOWERS.voxels}, live._asdict())


def case_posterior():
    state = posterior_state()
    live = unfolding.unfold(KEY, state, measured(EVENTS), rows=np.arange(N))  # without closing the table's yield
    return Case(state, {"reco": EVENTS.reco}, {"gen": live.gen, "weight": live.weight})


def case_omnifold():
    state = unfolding.fit(KEY, SIMULATION, measured(SIMULATION), unfolding.Config("omnifold", OMNIFOLD))
    return Case(state, {"gen": EVENTS.gen}, {"weight": omnifold.push(state, EVENTS.gen)})


CASES = {
    "squirels": case_squirels,
    "caloflow": case_caloflow,
    "student": functools.partial(case_caloflow, STUDENT),
    "calibration": case_calibration,
    "anomaly": case_anomaly,
    "posterior": case_posterior,
    "omnifold": case_omnifold,
}


@functools.cache
def case_of(name):
    """A case, made once."""
    return CASES[name]()


def near(found, live, tolerance=1e-6):
    """Equal to a share of the largest number."""
    found, live = np.asarray(found, float), np.asarray(live, float)
    np.testing.assert_allclose(found, live, rtol=0, atol=tolerance * np.abs(live).max())
