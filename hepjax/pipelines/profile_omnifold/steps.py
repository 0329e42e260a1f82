"""The iterations of Profile OmniFold (arXiv:2409.10421).

Simulated events carry weights nu of the spectrum and w(y, x, theta) = p(y | x, theta) / q(y | x) of the response. One
iteration learns, or finds,

    1, detector level:  r = p_data(y) / p_{nu w}(y)
    2, particle level:  nu' = E[nu w r | x]
    3, nuisances:       theta' = argmax  N (mean_{nu w r}[log w(theta)] - c log Z(theta)) - penalty(theta)

with N the yield of the data. The penalty is that of the candidate theta, as a likelihood has it. Z = mean_nu[w(theta)]
is one but for the numbers of simulated events; c log Z takes out what the largest weights do by chance (c = 0 is the
published step, c = 1 would normalise the weights), best so with c the missing fraction of the information. It is an
EM algorithm for the likelihood of both, the spectrum and theta.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hepjax import inference
from hepjax.caching import cached
from hepjax.inference import Maximum
from hepjax.pipelines.events import reweighting
from hepjax.pipelines.events.preparation import Problem, classifier_inputs
from hepjax.pipelines.events.reweighting import ROWS_AT_ONCE, Ratio
from hepjax.pipelines.omnifold import convergence as diagnostics
from hepjax.pipelines.place import Place
from hepjax.pipelines.profile_omnifold import information
from hepjax.pipelines.profile_omnifold.config import Config, Nuisance
from hepjax.pipelines.profile_omnifold.information import Information, Matched
from hepjax.training.history import History
from hepjax.types import AnyArray, Events, PRNGKey

Response = Callable[[Array, Array, Array], Array]
"""(gen (d,), reco (e,) of one event, theta (k,)) -> (), log w."""
Penalty = Callable[[Array], Array]
"""theta (k,) -> () in nats: minus the logarithm of what is known of theta beforehand."""
RECO, GEN = "reco", "gen"
FEW = 1e-3  # a fraction of clipped logits that is nothing to warn of

log = logging.getLogger(__name__)


class Step(NamedTuple):
    """One iteration. theta, at_bound: (k,). converged, control: (). reco, gen: of the classifiers."""

    theta: Float[AnyArray, "*iterations k"]
    at_bound: Bool[AnyArray, "*iterations k"]
    converged: Bool[AnyArray, "*iterations"]
    control: Float[AnyArray, "*iterations"]
    reco: diagnostics.Step
    gen: diagnostics.Step


class Result(NamedTuple):
    """What the iterations leave. push: (n,) factors nu. steps: of all iterations, stacked."""

    push: Float[Array, " n"]
    information: Information
    steps: Step
    histories: dict[str, History]


class Run(NamedTuple):
    """What the iterations have in common.

    seen: the problem in the inputs of the classifiers; the response is of the observables themselves.
    """

    key: PRNGKey
    problem: Problem
    seen: Problem
    response: Response
    penalty: Penalty
    config: Config
    place: Place
    name: str

    @property
    def rows(self) -> Int[np.ndarray, " m"]:
        """Rows of the simulated events that pass at both levels."""
        return np.flatnonzero(self.problem.pass_gen & self.problem.pass_reco)

    @property
    def matched(self) -> tuple[Float[Array, "m d"], Float[Array, "m e"], Float[Array, " m"]]:
        """gen, reco and the generator's weight of these events."""
        return _rows(self.problem, self.rows)

    @property
    def seen_matched(self) -> tuple[Float[Array, "m a"], Float[Array, "m b"], Float[Array, " m"]]:
        """The same in the inputs of the classifiers."""
        return _rows(self.seen, self.rows)

    def train(self, learn: Callable[..., Ratio], title: str, start: Ratio | None, *samples: Any) -> Ratio:
        """Train one classifier, in a folder of its own."""
        config = self.config
        return learn(
            self.key,
            config.hidden,
            *samples,
            config.training,
            members=config.members,
            start=start,
            **self.place.at(title),
        )

    def log_ratio(self, ratio: Ratio, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        """The learned logarithm of a ratio at some events."""
        learned = reweighting.log_ratio(x.shape[-1], self.config.hidden, self.config.members)
        return learned(ratio.constants, ratio.params, x)


def _rows(problem: Problem, rows: Int[np.ndarray, " m"]) -> tuple[Array, Array, Array]:
    return problem.gen[rows], problem.reco[rows], problem.weight[rows]


class _State(NamedTuple):
    """Between two iterations. push: (n,) factors nu of the events. control: of the next M-step. ratios: by step."""

    theta: Float[Array, " k"]
    push: Float[Array, " n"]
    control: float
    ratios: dict[str, Ratio]


def iterate(
    key: PRNGKey, problem: Problem, response: Response, penalty: Penalty, config: Config, place: Place, name: str
) -> Result:
    """Run all iterations, from the generator's spectrum and the nominal response.

    place: of the checkpoints of each training, in folders that start with `name`.
    """
    seen, _ = classifier_inputs(problem)
    run = Run(key, problem, seen, response, penalty, config, place, name)
    nominal = jnp.array([nuisance.nominal for nuisance in config.nuisances], float)
    state = _State(nominal, jnp.ones(len(problem.weight)), 0.0, {})
    steps, histories = [], {}
    for iteration in range(1, config.iterations + 1):
        title = f"{name}iteration_{iteration}_"
        state, step, told = _iteration(run, state, title)
        steps.append((step, told))
        histories |= {title + part: ratio.history for part, ratio in state.ratios.items()}
        clipped = max(float(step.reco.clipped), float(step.gen.clipped))
        level = logging.WARNING if clipped > FEW else logging.INFO
        theta = np.round(state.theta, 4)
        log.log(level, "%siteration %d: theta %s, %.2f%% clipped", name, iteration, theta, 100 * clipped)
    stacked = jax.tree.map(lambda *values: np.stack(values), *(step for step, _ in steps))
    return Result(state.push, steps[-1][1], stacked, histories)


def _iteration(run: Run, state: _State, title: str) -> tuple[_State, Step, Information]:
    pull, reco, seen = _detector_level(run, state, title + RECO)
    push, gen, unfolded = _particle_level(run, state, pull, title + GEN)
    found, told = _nuisances(run, state, pull, push)
    step = Step(found.theta, found.at_bound, found.converged, np.asarray(state.control), seen, unfolded)
    return _State(found.theta, push, told.missing, {RECO: reco, GEN: gen}), step, told


def _detector_level(run: Run, state: _State, title: str) -> tuple[Array, Ratio, diagnostics.Step]:
    """nu w r of the matched events, with the yield of the data."""
    gen, reco, weight = run.matched
    _, x, _ = run.seen_matched
    data = run.seen.data
    before = state.push[run.rows] * jnp.exp(log_response(run.response)(gen, reco, state.theta)[0])
    samples = Events(x, weight=weight * before), Events(jnp.asarray(data.reco), weight=jnp.asarray(data.weight))
    ratio = run.train(reweighting.fit, title, state.ratios.get(RECO), *samples)
    values = run.log_ratio(ratio, x)
    pull = before * jnp.exp(values)
    pull = pull * (data.weight.sum() / (weight * pull).sum())
    return pull, ratio, diagnostics.step(ratio.history, values, pull, weight * pull)


def _particle_level(run: Run, state: _State, pull: Array, title: str) -> tuple[Array, Ratio, diagnostics.Step]:
    """nu of all events within the phase space, with which the matched ones have the yield of the data."""
    problem, inside = run.problem, np.flatnonzero(run.problem.pass_gen)
    gen, _, weight = run.seen_matched
    ratio = run.train(reweighting.fit_mean, title, state.ratios.get(GEN), Events(gen, weight=weight), pull)
    values = run.log_ratio(ratio, run.seen.gen[inside])
    push = state.push.at[inside].set(jnp.exp(values))
    push = push * (problem.data.weight.sum() / (weight * push[run.rows]).sum())
    return push, ratio, diagnostics.step(ratio.history, values, push[inside], (problem.weight * push)[inside])


def _nuisances(run: Run, state: _State, pull: Array, push: Array) -> tuple[Maximum, Information]:
    """The M-step, and what the data tell of the parameters after it."""
    gen, reco, weight = run.matched
    data = run.problem.data
    spectrum, pull = weight * state.push[run.rows], weight * pull
    search = maximiser(run.response, run.penalty, run.config.starts)
    yields = run.problem.unit * np.asarray(data.weight, np.float64)  # a likelihood is of so many events
    total = jnp.asarray(yields.sum(), float)
    found = search(state.theta, bounds(run.config), gen, reco, spectrum, pull, total, state.control)
    log_weight, score = log_response(run.response)(gen, reco, found.theta)
    seen_gen, seen_reco, _ = run.seen_matched
    arrays = seen_gen, seen_reco, weight * push[run.rows], jnp.exp(log_weight), pull, score, run.seen.data.reco, yields
    return found, information.information(Matched(*map(np.asarray, arrays)), state.control)


@cached
def log_response(response: Response) -> Callable[..., tuple[Array, Array]]:
    """Jitted (gen (n, d), reco (n, e), theta (k,)) -> log w (n,) and its derivative by theta (n, k)."""

    def one(gen, reco, theta):
        value, push = jax.linearize(lambda theta: response(gen, reco, theta), theta)
        return value, jax.vmap(push)(jnp.eye(len(theta), dtype=theta.dtype))

    @jax.jit
    def all_events(gen, reco, theta):
        return jax.lax.map(lambda event: one(event[0], event[1], theta), (gen, reco), batch_size=ROWS_AT_ONCE)

    return all_events


@cached
def maximiser(response: Response, penalty: Penalty, starts: int) -> Callable[..., Maximum]:
    """Jitted M-step: (theta (k,), bounds, gen, reco, spectrum (n,), pull (n,), yield, control) -> `Maximum`.

    The search starts at the best of the theta given and, of every parameter, `starts` values between its bounds.
    """

    @jax.jit
    def search(theta, ends, gen, reco, spectrum, pull, total, control):
        low, high = ends

        def log_likelihood(theta):
            one = jax.checkpoint(lambda event: response(event[0], event[1], theta))
            values = jax.lax.map(one, (gen, reco), batch_size=ROWS_AT_ONCE)
            normalisation = jax.scipy.special.logsumexp(values, b=spectrum / spectrum.sum())
            mean = jnp.sum(pull * values) / pull.sum()
            return total * (mean - control * normalisation) - penalty(theta)

        shares = (jnp.arange(starts) + 0.5) / starts
        grid = low + shares[:, None] * (high - low)
        others = [theta.at[k].set(value) for k in range(len(theta)) for value in grid[:, k]]
        start = inference.best_start(log_likelihood, jnp.stack([theta, *others]))
        return inference.maximize(log_likelihood, start, ends)

    return search


def bounds(config: Config) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
    """Least and greatest values of all nuisance parameters."""
    low, high = (jnp.array([getattr(n, end) for n in config.nuisances], float) for end in ("low", "high"))
    return low, high


@cached
def gaussian(nuisances: tuple[Nuisance, ...]) -> Penalty:
    """sum_k (theta_k - centre_k)^2 / (2 sigma_k^2), the auxiliary measurements of the parameters."""
    centre, sigma = (jnp.array([getattr(n, field) for n in nuisances], float) for field in ("centre", "sigma"))

    def penalty(theta):
        return 0.5 * jnp.sum(jnp.square((theta - centre) / sigma))

    return penalty
