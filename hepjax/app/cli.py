"""The command line: `hepjax COMMAND` or `hepjax PIPELINE VERB`, whose options are the fields of frozen dataclasses.

Commands are the verbs of the table of pipelines and those of `TOOLS`. Nothing here imports jax early. Errors of the
user end with one line on standard error, or one a fault of a file that is checked, and exit code 2.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Union

import tyro
from tyro.conf import FlagCreatePairsOff, arg, subcommand

from hepjax.app import options
from hepjax.pipelines import table
from hepjax.pipelines.options import Apply, Fit, Machines, named

TOOLS = {
    ("unfold", "compare"): (options.UnfoldCompare, "unfolding:compare"),
    ("generate", ""): (options.Generate, "generate:zjets"),
    ("compare", ""): (options.Compare, "compare:run"),
    ("calochallenge", "evaluate"): (options.Evaluate, "calochallenge:evaluate"),
    ("calochallenge", "timing"): (options.Time, "calochallenge:time"),
    ("calochallenge", "submit-check"): (options.SubmitCheck, "calochallenge:check"),
    ("export", ""): (options.Export, "export:write"),
    ("demo", ""): (options.Demo, "demo:main"),
}
"""Commands, with their verbs, that belong to no pipeline: their options, and the function of the application."""
HELP = {"calochallenge": "Formats and metrics of the CaloChallenge (arXiv:2410.21611)."}
"""What commands are for that are no pipeline's and have verbs."""
FEWEST_OBJECTS = 100_000
"""New objects before Python looks for cycles: imports and tracing make many that live on."""


def commands(words: Sequence[str] = ()) -> Any:
    """The type of all commands, for tyro. words: of the command line, on which the options of some verbs depend."""
    verbs: dict[str, dict[str, type]] = {}
    helps = dict(HELP)
    for name in table.NAMES:
        module = table.options(name)
        kinds = {name: verb.chosen(words) if verb.chosen else verb.kind for name, verb in module.VERBS.items()}
        verbs.setdefault(module.COMMAND, {}).update(kinds)
        helps.setdefault(module.COMMAND, module.HELP)
    for (command, verb), (kind, _) in TOOLS.items():
        verbs.setdefault(command, {})[verb] = kind
    return _either({name: _command(name, helps.get(name, ""), kinds) for name, kinds in verbs.items()})


def _command(name: str, help: str, kinds: dict[str, type]) -> type:
    """The type of a command: its options, or a choice of verbs with theirs."""
    if list(kinds) == [""]:
        return kinds[""]
    chosen = Annotated[_either(kinds), arg(name="")]
    return dataclasses.make_dataclass(name, [("command", chosen)], frozen=True, namespace={"__doc__": help})


def _either(kinds: dict[str, type]) -> Any:
    return Union[tuple(Annotated[kind, subcommand(name)] for name, kind in kinds.items())]  # noqa: UP007 - at run time


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `hepjax …`; returns the exit code.

    0, 2 for bad input, 1 where training left the finite numbers, or 130 where it was interrupted.
    """
    gc.set_threshold(FEWEST_OBJECTS)
    arguments = sys.argv[1:] if arguments is None else arguments
    command: Any = tyro.cli(commands(arguments), prog="hepjax", args=arguments, config=(FlagCreatePairsOff,))
    asked = getattr(command, "command", command)
    try:
        return _run(asked)
    except KeyboardInterrupt:
        print(f"hepjax: stopped; {_again(asked)}", file=sys.stderr)
        return 130


def _run(asked: Any) -> int:
    from hepjax import compilation  # after the help, which needs no jax
    from hepjax.training import TrainingError
    from hepjax.types import InputError

    compilation.use_cache()
    try:
        _require_apart(asked)
        with asked.used() if isinstance(asked, Machines) else contextlib.nullcontext():
            _do(asked)
    except (InputError, TrainingError) as error:
        print(*(f"hepjax: {line}" for line in str(error).splitlines()), sep="\n", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    return 0


def _again(asked: Any) -> str:
    """What to do after a command was stopped."""
    instead = " in place of --overwrite" if getattr(asked, "overwrite", False) else ""
    if isinstance(asked, Fit) and (asked.out / options.PROGRESS).exists():
        return f"the command goes on from its last checkpoint with --resume{instead}"
    if isinstance(asked, Apply) and options.parts_of(asked.out).exists():
        return f"the command goes on with the events that are missing with --resume{instead}"
    if hasattr(asked, "overwrite") and asked.out is not None and asked.out.exists():
        return f"the command begins anew with --overwrite, since {asked.out} exists"
    return "nothing is left behind, and the command begins anew"


def _require_apart(asked: Any) -> None:
    """Raise InputError where a command would write over what it reads; of a model, its checkpoint."""
    from hepjax.data import output

    if getattr(asked, "out", None) is None:
        return
    inputs = named(asked)
    if "model" in inputs:
        inputs["model"] = str(Path(inputs["model"], options.CHECKPOINT))
    output.require_apart(asked.out, inputs)


def _do(asked: Any) -> None:
    """Do what a command is asked for."""
    name = table.of_options(type(asked))
    if name is None:
        module, _, function = next(does for kind, does in TOOLS.values() if kind is type(asked)).partition(":")
        getattr(importlib.import_module(f"hepjax.app.{module}"), function)(asked)
        return
    from hepjax.app import chunks, runs

    pipeline = table.pipeline(name)
    verb = next(pipeline.verbs[kind] for kind in type(asked).__mro__ if kind in pipeline.verbs)
    if isinstance(verb, chunks.Verb):
        chunks.apply(asked, pipeline, verb)
    else:
        runs.run(asked, pipeline, verb)
