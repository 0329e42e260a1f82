"""The iterations of OmniFold (arXiv:1911.09107, eqs. 2 and 4) with acceptance, efficiency and background.

The simulation's events carry weights nu, relative to the generator's and 1 at the start. An iteration learns

    step 1, detector level:  pull = nu p_data(reco) / p_nu(reco)
    step 2, particle level:  nu = E[pull | gen]

Events that fail a level have no values there, and take a conditional mean instead (arXiv:2105.09923, sec. 3):

    not measured:                E[pull | gen] over the events that are, or their nu as it was
    outside of the phase space:  E[nu | reco] over the measured events within it

With the mean, events that are not measured add nothing to step 2, which learns from those that are: the iteration of
D'Agostini and of Richardson and Lucy with efficiencies, which converges as without. With nu as it was, a share
1 - efficiency of every weight stays behind in each iteration; both have the same fixed point.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hepjax.pipelines.events import reweighting
from hepjax.pipelines.events.preparation import Problem, classifier_inputs
from hepjax.pipelines.events.reweighting import Ratio
from hepjax.pipelines.omnifold import convergence as diagnostics
from hepjax.pipelines.omnifold.config import Config
from hepjax.pipelines.omnifold.convergence import FAKES, GEN, RECO
from hepjax.pipelines.place import Place
from hepjax.training.history import History, extend
from hepjax.transforms.inputs import Fitted
from hepjax.types import AnyArray, Events, PRNGKey

FEW = 1e-3  # a fraction of clipped logits that is nothing to warn of

log = logging.getLogger(__name__)


class Result(NamedTuple):
    """What the iterations leave.

    push: (iterations, n), nu. gen: the ratio of the last step 2, of what `inputs` makes of particle level.
    histories: of every step, with all iterations one after the other.
    """

    push: Float[Array, "iterations n"]
    gen: Ratio
    inputs: Fitted
    diagnostics: diagnostics.Diagnostics
    histories: dict[str, History]


class Run(NamedTuple):
    """Where and how to train. keys: of every step."""

    keys: Mapping[str, PRNGKey]
    config: Config
    place: Place
    name: str

    def fit(self, learn: Callable[..., Ratio], iteration: int, step: str, start: Ratio | None, *samples) -> Ratio:
        """Train one classifier, in a folder of its own.

        The key of a step is that of the iteration before: it holds out the same events, which `start` has not seen.
        """
        title = f"{self.name}iteration_{iteration}_{step}"
        return learn(
            self.keys[step],
            self.config.hidden,
            *samples,
            self.config.training,
            members=self.config.members,
            start=start,
            **self.place.at(title),
        )


def log_ratio(config: Config, ratio: Ratio, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
    """The learned logarithm of a ratio at some events, given by their inputs."""
    learned = reweighting.log_ratio(x.shape[-1], config.hidden, config.members)
    return learned(ratio.constants, ratio.params, x)


def iterate(
    key: PRNGKey,
    problem: Problem,
    config: Config,
    place: Place = Place(),  # noqa: B008 - immutable
    name: str = "",
) -> Result:
    """Run all iterations. place: of the checkpoints of each training, in folders that start with `name`.

    A resumed run restores the trainings that are complete and goes on with the one that was not.
    """
    run = Run(dict(zip((RECO, GEN, FAKES), jax.random.split(key, 3), strict=True)), config, place, name)
    push = jnp.ones(len(problem.weight))
    transformed, inputs = classifier_inputs(problem)
    ratios: dict[str, Ratio] = {}
    pushes, steps, histories, chi2 = [], [], {}, [_closure(problem, push).chi2]
    for iteration in range(1, config.iterations + 1):
        push, ratios, summaries = _iteration(run, transformed, iteration, push, ratios)
        pushes.append(push)
        steps.append(summaries)
        chi2.append(_closure(problem, push).chi2)
        for step, summary in summaries.items():
            histories[step] = _extended(histories.get(step, {}), ratios[step].history, iteration, summary)
        _report(f"{name}iteration {iteration}", summaries, chi2[-1])
    stacked = jax.tree.map(lambda *values: np.stack(values), *steps)
    record = diagnostics.Diagnostics(stacked, np.stack(chi2), _closure(problem, push))
    return Result(jnp.stack(pushes), ratios[GEN], inputs, record, histories)


def _iteration(
    run: Run, problem: Problem, iteration: int, push: Array, before: Mapping[str, Ratio]
) -> tuple[Array, dict[str, Ratio], dict[str, diagnostics.Step]]:
    """Both steps, and the mean for the fakes where there are any."""
    measured, inside = np.flatnonzero(problem.pass_reco), np.flatnonzero(problem.pass_gen)
    matched = np.flatnonzero(problem.pass_reco & problem.pass_gen)
    fakes = np.flatnonzero(problem.pass_reco & ~problem.pass_gen)
    learned = {"mean": matched, "push": inside}[run.config.missing]
    weight, ratios, summaries = problem.weight, {}, {}

    def learn(step, fit, *samples):
        ratios[step] = run.fit(fit, iteration, step, before.get(step), *samples)

    def apply(step, x, rows, factor):
        """New weights of some rows, `factor` times the ratio of a step."""
        values = log_ratio(run.config, ratios[step], x[rows])
        new = factor * jnp.exp(values)
        summaries[step] = diagnostics.step(ratios[step].history, values, new, weight[rows] * new)
        return new

    data = Events(jnp.asarray(problem.data.reco), weight=jnp.asarray(problem.data.weight))
    simulated = Events(problem.reco[measured], weight=(weight * push)[measured])
    learn(RECO, reweighting.fit, simulated, data)
    pull = push.at[measured].set(apply(RECO, problem.reco, measured, push[measured]))
    pull = pull.at[measured].multiply(_total(problem) / (weight * pull)[measured].sum())

    events = Events(problem.gen[learned], weight=weight[learned])
    learn(GEN, reweighting.fit_mean, events, pull[learned])
    mean = (weight * pull)[learned].sum() / weight[learned].sum()
    push = push.at[inside].set(apply(GEN, problem.gen, inside, mean))

    if len(fakes):
        events = Events(problem.reco[matched], weight=weight[matched])
        learn(FAKES, reweighting.fit_mean, events, push[matched])
        mean = (weight * push)[matched].sum() / weight[matched].sum()
        push = push.at[fakes].set(apply(FAKES, problem.reco, fakes, mean))
    return _normalised(problem, push), ratios, summaries


def _report(title: str, summaries: Mapping[str, diagnostics.Step], chi2: AnyArray) -> None:
    """Log an iteration; as a warning, which shows without any set-up, where many events have a clipped logit."""
    clipped = max(float(summary.clipped) for summary in summaries.values())
    log.log(
        logging.WARNING if clipped > FEW else logging.INFO,
        "%s: %.0f effective events, %.2f%% clipped, worst chi2/ndf at detector level %.2f",
        title,
        summaries[GEN].effective,
        100 * clipped,
        chi2.max(),
    )


def _extended(
    before: Mapping[str, np.ndarray], history: Mapping[str, np.ndarray], iteration: int, summary: diagnostics.Step
) -> History:
    """The history of a step with the epochs of another iteration, beside the weights that these ended with."""
    ended = {"iteration": iteration, **{name: getattr(summary, name) for name in ("effective", "largest", "clipped")}}
    rows = {name: np.full(len(history["epoch"]), float(value)) for name, value in ended.items()}
    return extend(before, {**history, "epoch": history["epoch"] + len(before.get("epoch", ())), **rows})


def _total(problem: Problem) -> Array:
    """The yield of the data, without background."""
    return jnp.sum(problem.data.weight)


def _normalised(problem: Problem, push: Array) -> Array:
    """Weights with which the simulation's measured events add up to the yield of the data."""
    return push * (_total(problem) / (problem.weight * push)[np.flatnonzero(problem.pass_reco)].sum())


def _closure(problem: Problem, push: Array) -> diagnostics.Closure:
    rows = np.flatnonzero(problem.pass_reco)
    return diagnostics.reco_closure(
        problem.data.reco, problem.data.weight, problem.reco[rows], (problem.weight * push)[rows]
    )
