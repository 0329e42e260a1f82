"""Events as pipelines of unfolding need them: columns in one order, background subtracted, one luminosity."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from hepjax import data, units
from hepjax.data.unfolding import columns
from hepjax.transforms import inputs
from hepjax.types import AnyArray, Column, InputError, Measured, PRNGKey, Unfolded, Unfolding

FEWEST = 100

Sample = TypeVar("Sample", Measured, Unfolding, Unfolded)


class Problem(NamedTuple):
    """A simulation and the events to unfold; the values of events that fail a level are not looked at.

    gen: (n, d). reco: (n, e). weight: (n,), with which the measured events add up to the yield of the data. pass_gen,
    pass_reco: (n,). data: of which the weights of a background are negative. unit: of all weights, in the
    user's scale.
    """

    gen: Float[Array, "n d"]
    reco: Float[Array, "n e"]
    weight: Float[Array, " n"]
    pass_gen: Bool[np.ndarray, " n"]
    pass_reco: Bool[np.ndarray, " n"]
    data: Measured
    unit: float = 1.0

    @property
    def has_fakes(self) -> bool:
        """Whether some events are measured that are outside of the particle-level phase space."""
        return bool((self.pass_reco & ~self.pass_gen).any())


def classifier_inputs(problem: Problem) -> tuple[Problem, inputs.Fitted]:
    """The problem with inputs of classifiers in place of observables, and what makes those of particle level."""
    measured, inside = np.flatnonzero(problem.pass_reco), np.flatnonzero(problem.pass_gen)
    of_gen = inputs.fit((problem.gen[inside], problem.weight[inside]))
    samples = (problem.reco[measured], problem.weight[measured]), (problem.data.reco, problem.data.weight)
    of_reco = inputs.fit(*samples)

    data = dataclasses.replace(problem.data, reco=of_reco(problem.data.reco))
    return problem._replace(gen=of_gen(problem.gen), reco=of_reco(problem.reco), data=data), of_gen


def measured(sample: Measured, expected: tuple[Column, ...], name: str) -> Measured:
    """Checked detector-level events with the columns of the simulation, in its order and units, matched by name.

    Weights are float64. Raises InputError for events that cannot be unfolded, missing columns, and other units that do
    not convert.
    """
    data.unfolding.check_measured(sample, name)
    chosen = columns.select(sample.columns, [column.name for column in expected], name)
    order = [sample.columns.index(column) for column in chosen]
    reco, weight = np.asarray(sample.reco, np.float32)[:, order], np.asarray(sample.weight, np.float64)
    return dataclasses.replace(units.like(Measured(reco, weight, chosen), expected, name), columns=expected)


def unit(weight: Float[AnyArray, " n"]) -> float:
    """The power of two next to the mean size of weights: in units of it no sum has trouble in float32, and the
    division rounds nothing, so that any part of a sample may have its own."""
    size = float(np.mean(np.abs(np.asarray(weight, np.float64))))
    return float(np.exp2(np.round(np.log2(size)))) if 0 < size < np.inf else 1.0


def weighing(sample: Sample, factor: float) -> Sample:
    """A sample with weights times a factor, in float64."""
    return dataclasses.replace(sample, weight=np.asarray(sample.weight, np.float64) * factor)


def check_subtraction(events: Measured, background: Measured) -> None:
    """Raise InputError unless the yield of a background is less than that of the data."""
    total, subtracted = events.weight.sum(), background.weight.sum()
    if not total > subtracted:
        raise InputError(f"background: {subtracted:g} events, expected fewer than the {total:g} of the data")


def problem(simulation: Unfolding, events: Measured, background: Measured | None) -> Problem:
    """Everything on the device, with weights of order one.

    Raises InputError for too few events, or a background as large as the data.
    """
    pass_gen, pass_reco = np.asarray(simulation.pass_gen), np.asarray(simulation.pass_reco)
    found = {"simulation": (pass_gen & pass_reco).sum(), "data": len(events)}
    for name, number in found.items():
        if number < FEWEST:
            raise InputError(f"{name}: {number} events to learn from, a fit needs at least {FEWEST}")
    if background is not None:
        check_subtraction(events, background)
        reco, weight = np.concatenate([events.reco, background.reco]), np.append(events.weight, -background.weight)
        events = Measured(reco, weight, events.columns)
    size = unit(events.weight)
    return scaled(
        Problem(
            jnp.asarray(simulation.gen, float),
            jnp.asarray(simulation.reco, float),
            jnp.asarray(weighing(simulation, 1 / unit(simulation.weight)).weight, float),
            pass_gen,
            pass_reco,
            jax.tree.map(lambda a: jnp.asarray(a, float), weighing(events, 1 / size)),
            size,
        )
    )


def scaled(problem: Problem) -> Problem:
    """The simulation at the luminosity at which its measured events are as many as those of the data."""
    weight, rows = problem.weight, np.flatnonzero(problem.pass_reco)
    return problem._replace(weight=weight * (problem.data.weight.sum() / weight[rows].sum()))


def bootstrap(key: PRNGKey, problem: Problem, simulation: bool) -> Problem:
    """A replica: the weights of the data and its background, and of the simulation if asked, times Poisson(1) draws."""
    key_data, key_simulation = jax.random.split(key)

    def drawn(key, weight):
        return weight * jax.random.poisson(key, 1.0, weight.shape)

    events = dataclasses.replace(problem.data, weight=drawn(key_data, problem.data.weight))
    weight = drawn(key_simulation, problem.weight) if simulation else problem.weight
    return scaled(problem._replace(data=events, weight=weight))


def replica(key: PRNGKey, problem: Problem, number: int, simulation: bool) -> tuple[PRNGKey, Problem, str]:
    """The key of a fit, its events, and what the names of its trainings begin with; number 0 is the problem itself."""
    key_fit, key_draw = jax.random.split(jax.random.fold_in(key, number))
    if not number:
        return key_fit, problem, ""
    return key_fit, bootstrap(key_draw, problem, simulation), f"bootstrap_{number}_"


def require_same(sample: Measured, expected: tuple[Column, ...], found: UInt8[AnyArray, 32], method: str) -> None:
    """Raise InputError, also as `measured` does, unless the data are those whose digest a fit has kept."""
    if not np.array_equal(digest(measured(sample, expected, "data")), found):
        raise InputError(f"data: other events than those of the fit, expected the same: {method} fits each data anew")


def digest(events: Measured) -> UInt8[np.ndarray, 32]:
    """SHA-256 of the values and weights of events."""
    bytes_ = b"".join(np.ascontiguousarray(a, np.float32).tobytes() for a in (events.reco, events.weight))
    return np.frombuffer(hashlib.sha256(bytes_).digest(), np.uint8)
