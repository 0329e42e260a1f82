"""Unfolding as the program knows it: `hepjax unfold fit` and `hepjax unfold apply`, from files to files."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hepjax import data, devices
from hepjax.pipelines import omnifold, posterior
from hepjax.pipelines.events import preparation
from hepjax.pipelines.exportable import NOISE, Exportable, Field
from hepjax.pipelines.pipeline import Apply, Fit, Given, Pipeline, Source, Work
from hepjax.pipelines.posterior import acceptance
from hepjax.pipelines.profile_omnifold import variations
from hepjax.pipelines.profile_omnifold.config import Nuisance
from hepjax.pipelines.unfolding import verbs
from hepjax.pipelines.unfolding.config import Config
from hepjax.pipelines.unfolding.options import UnfoldApply, UnfoldFit
from hepjax.provenance import provenance
from hepjax.types import InputError, Measured, State, Unfolded, Unfolding

Columns = tuple[str, ...] | None


@contextlib.contextmanager
def given(options: UnfoldFit) -> Iterator[Given]:
    """Read simulation, data and background, with the columns that are asked for."""
    if (options.method == "profile") != (options.nuisances is not None):
        asked = f"options method {options.method} and nuisances {options.nuisances}"
        raise InputError(f"{asked}, expected profile beside a file of nuisances, or none of both")
    gen = options.observables or (data.unfolding.OBSERVABLES if options.conditions else None)
    reco = (*gen, *options.conditions) if gen else None
    with devices.together():
        simulation = data.unfolding.read(options.simulation, gen, reco)
        names = [column.name for column in simulation.reco_columns]
        measured = data.unfolding.read_measured(options.data, names)
        background = data.unfolding.read_measured(options.background, names) if options.background else None
        found = _variations(options, gen, reco)
    profile = dataclasses.replace(options.profile, nuisances=found.nuisances)
    config = Config(options.method, options.omnifold, options.generative, profile, options.response)
    yield Given((simulation, measured, config), {"background": background, "variations": found.simulations})


class _Found(NamedTuple):
    nuisances: tuple[Nuisance, ...] = ()
    simulations: tuple[tuple[np.ndarray, Unfolding], ...] = ()


def _variations(options: UnfoldFit, gen: Columns, reco: Columns) -> _Found:
    """The nuisance parameters of a fit, and the simulations with other values of them."""
    if options.nuisances is None:
        return _Found()
    found = variations.read(options.nuisances)
    simulations = [data.unfolding.read(address, gen, reco) for address in found.addresses]
    thetas = np.array(found.values, np.float32)
    return _Found(found.nuisances, tuple(zip(thetas, simulations, strict=True)))


def say(state: State) -> str:
    """Return the diagnostics of OmniFold, or the nuisance parameters of Profile OmniFold."""
    if verbs.method(state) == "omnifold":
        return omnifold.table(omnifold.diagnostics(state))
    found = verbs.nuisances(state) if verbs.method(state) == "profile" else {}
    return "\n".join(f"{name} = {row['value']:.5g} +- {row['error']:.2g}" for name, row in found.items())


def events(options: UnfoldApply, state: State) -> contextlib.AbstractContextManager[Source]:
    """Read the data to unfold; of a method that weights the simulation's events, give these with their weights."""
    data.unfolding.require_format(options.out)
    columns = verbs.reco_columns(state)
    measured = data.unfolding.read_measured(options.data, [column.name for column in columns])
    if verbs.weights_simulation(state):
        return contextlib.nullcontext(verbs.unfold(jax.random.key(options.seed), state, measured))
    return contextlib.nullcontext(preparation.measured(measured, columns, "data"))


def apply(options: UnfoldApply, state: State, given: Measured | Unfolded) -> Work:
    """Unfold events, into a file of weighted events with the metadata to publish them with."""
    made = {"selection": options.selection, "seed": options.seed, "data": options.data, "model": str(options.model)}
    made |= {"software": provenance(), "method": verbs.method(state), **verbs.closure(state)}
    columns = state.spec.gen_columns
    if isinstance(given, Unfolded):
        replicas = 0 if given.replicas is None else len(given.replicas)
        made |= {"replicas_kind": "Poisson bootstraps of the data"} if replicas else {}
        unfold, width = (lambda unfolded, rows: unfolded), len(columns) + 1 + replicas
    else:
        key, width = jax.random.key(options.seed), len(columns) + len(given.columns)
        unfold = lambda measured, rows: posterior.unfolded_in_units(key, state, measured, rows)  # noqa: E731
    return Work(unfold, data.unfolding.write_part, width, _finish(state, given, made))


def _finish(
    state: State, given: Measured | Unfolded, made: dict[str, Any]
) -> Callable[[Path, Sequence[Path], int], None]:
    """What writes the file of all parts, and how many weights were cut to its metadata; it says where not few were."""

    measured = given if isinstance(given, Measured) else None

    def finish(path: Path, parts: Sequence[Path], events: int) -> None:
        found = data.unfolding.read_parts(parts, state.spec.gen_columns)
        found = found if measured is None else posterior.close(state, measured, found)
        clipped = verbs.clipped(state, measured, found)
        data.unfolding.write(path, found, made | {"clipped": clipped})
        many = [f"{fraction:.2%} of {name}" for name, fraction in clipped.items() if fraction > acceptance.FEW]
        if many:
            print(f"hepjax: weights of events were cut at their limits: {', '.join(many)}; yields are kept")

    return finish


def posterior_event(state: State) -> Exportable:
    """`unfolding.unfold` by a posterior as a function of one event's detector level."""
    spec = state.spec

    def function(state, key, row, reco):
        unfolded = posterior.unfolded(key, state, Measured(reco[None], jnp.ones(1), spec.reco_columns), row[None])
        return unfolded.gen[0], unfolded.weight[0]

    ratio = "" if state.params.prior is None else "w(gen) / E[w | reco] of the data's prior, times the "
    weight = f"{ratio}share that is signal over efficiency"
    reco = Field("reco", "", "detector level", (len(spec.reco_columns),), columns=spec.reco_columns)
    outputs = (
        Field("gen", "", "particle level, drawn from the posterior", columns=spec.gen_columns),
        Field("weight", "", f"factor to the event's weight: {weight}"),
    )
    prior = "prior of the simulation" if state.params.prior is None else "prior of the data, in the weight"
    return Exportable(
        function,
        (*NOISE, reco),
        outputs,
        f"Unfolds events by {spec.method}.",
        (f"{spec.config.coordinates} of detector level", prior, f"back from {spec.config.coordinates}"),
    )


def omnifold_weight(state: State) -> Exportable:
    """`omnifold.push` as a function of one event's particle level."""
    columns = state.spec.gen_columns
    return Exportable(
        lambda state, gen: (omnifold.push(state, gen),),
        (Field("gen", "", "particle level", (len(columns),), columns=columns),),
        (Field("weight", "", "factor from the generator's weight to the unfolded one"),),
        "Weights events of the simulation's generator to unfold data (OmniFold, arXiv:1911.09107).",
        ("zero mean and unit width of every column",),
    )


PIPELINE = Pipeline(
    fit=verbs.fit,
    load=verbs.load,
    verbs={UnfoldFit: Fit(given, say), UnfoldApply: Apply(events, apply)},
    exportable={posterior.Spec: posterior_event, omnifold.Spec: omnifold_weight},
    summary=verbs.summary,
)
