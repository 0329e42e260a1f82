"""The documentation says what is: its blocks are blocks, its command lines parse, its Python runs, its files exist.

`tests/scripts/run_documentation.py` (`make docs`) really runs the commands, on tiny inputs.
"""

import contextlib
import io
import re

import documentation
import numpy as np
import pytest
import tyro
from documentation import COMMAND, PAGES, ROOT
from toys import TINY, toy_showers

from hepjax import data, evaluation
from hepjax.app import cli
from hepjax.pipelines import squirels

OF_OTHERS = ("--kill-on-bad-exit", "--requeue", "--gpus-")
every_page = pytest.mark.parametrize("page", PAGES)


@every_page
def test_blocks_are_blocks_at_the_top_level(page):
    """A block that follows a list without a paragraph between them is swallowed by its last item."""
    for token in documentation.tokens(page):
        if token.type in ("fence", "code_block"):
            assert token.level == 0, f"{page}:{token.map[0] + 1}: a block of code inside of something else"
        if token.type == "inline":
            lines = [line for line in token.content.splitlines() if COMMAND.match(line)]
            assert not lines, f"{page}:{token.map[0] + 1}: a command in the text: {lines}"


def said(words):
    """What the command line says of words, "" of those that it takes; nothing runs."""
    out = io.StringIO()
    with contextlib.redirect_stderr(out), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        tyro.cli(cli.Command, prog="hepjax", args=list(words), config=(tyro.conf.FlagCreatePairsOff,))
    return out.getvalue()


COMMANDS = [(page, tuple(words)) for page in PAGES for words in documentation.commands(page)]


@pytest.mark.parametrize("page, words", COMMANDS, ids=lambda value: " ".join(value[:2]) if len(value) < 99 else "")
def test_every_command_line_parses(page, words):
    assert said(words) == ""


def test_there_are_commands():
    assert len(COMMANDS) > 15


@pytest.fixture(scope="module")
def options():
    """All options of all commands in the blocks: name -> whether it takes a value."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "300")
        verbs = {words[: 1 + (not words[1].startswith("-"))] for _, words in COMMANDS}
        text = "".join(said((*verb, "--help")) for verb in sorted(verbs))
    return {name: bool(value) for name, value in re.findall(r"(--[a-z][\w.-]*)( [A-Z{\[]\S*)?", text)}


@every_page
def test_options_in_the_text_are_some_of_a_command(page, options):
    """`--config.rematerialise` as a flag, `--config.training.accumulate 4` with its value."""
    for span in documentation.spans(page):
        name, _, value = span.partition(" ")
        if re.fullmatch(r"--[a-z][\w.-]*", name) and not name.startswith(OF_OTHERS):
            assert name in options, f"{page}: `{span}`"
            assert options[name] or not value, f"{page}: `{span}` is a flag"


@pytest.mark.usefixtures("fast_compilation")
@pytest.mark.parametrize("block", documentation.blocks("README.md", "python"), ids=len)
def test_python_runs(block, monkeypatch, capsys):
    """On toys in place of the samples, with the smallest options: those that the tests of SQuIRELS have compiled."""
    fit = squirels.fit
    toys = {"fast/train": (0, 240), "full/train": (1, 200), "fast/test": (2, 128), "full/test": (3, 128)}
    monkeypatch.setattr(data.samples, "squirels", lambda group: group)
    monkeypatch.setattr(data.showers, "read", lambda group: toy_showers(*toys[group]))
    monkeypatch.setattr(squirels, "fit", lambda *samples: fit(*samples, TINY))
    monkeypatch.setattr(evaluation, "two_sample", lambda key, *views: [np.shape(view) for view in views])
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == block.count("print(") and np.isfinite(float(printed[-1]))


@every_page
def test_files_that_are_named_exist(page):
    text = (ROOT / page).read_text()
    named = set(re.findall(r"`((?:experiments|tests|notebooks|hepjax)/[\w./-]*)`", text))
    named |= {target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target}
    assert not [name for name in named if not (ROOT / name).exists()]
