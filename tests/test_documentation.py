"""The documentation says what is: its blocks are blocks, its command lines parse, its Python runs, its files exist.

`tests/scripts/run_documentation.py` (`make commands`) really runs the commands, on tiny inputs. `make docs` builds the
site, whose measured tables are made from the results.
"""

import contextlib
import io
import re
import sys

import documentation
import numpy as np
import pytest
import tyro
from documentation import COMMAND, PAGES, ROOT
from toys import TINY, toy_showers

import hepjax
from hepjax import data, evaluation
from hepjax.app import cli
from hepjax.pipelines import squirels, table

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
        tyro.cli(cli.commands(), prog="hepjax", args=list(words), config=(tyro.conf.FlagCreatePairsOff,))
    return out.getvalue()


COMMANDS = [(page, tuple(words)) for page in PAGES for words in documentation.commands(page)]


@pytest.mark.parametrize(
    "page, words", COMMANDS, ids=lambda value: value if isinstance(value, str) else " ".join(value[:2])
)
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


@pytest.mark.usefixtures("fast_compilation")
@pytest.mark.parametrize("page", [page for page in documentation.DOCS if documentation.blocks(page, "python")])
def test_python_of_the_pages_runs(page, capsys):
    """As it stands, one block after the other: its events are few."""
    names = {}
    for block in documentation.blocks(page, "python"):
        exec(compile(block, page, "exec"), names)
    assert all(np.isfinite(float(word)) for word in capsys.readouterr().out.split())


@every_page
def test_files_that_are_named_exist(page):
    text = (ROOT / page).read_text()
    named = set(re.findall(r"(?:`|<!-- file: )((?:experiments|tests|notebooks|hepjax|docs)/[\w./-]*)(?:`| -->)", text))
    linked = {target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target}
    assert not [name for name in named if not (ROOT / name).exists()]
    assert not [target for target in linked if not (ROOT / page).parent.joinpath(target).exists()]


SITE = documentation.site()
MARKS = {page: SITE.MARK.findall((ROOT / page).read_text()) for page in documentation.DOCS}


def test_every_mark_has_a_table_and_every_table_a_page():
    assert {name for names in MARKS.values() for name in names} == {*SITE.TABLES, SITE.PEERS}
    for page, names in MARKS.items():
        assert len(re.findall("^<!-- table", (ROOT / page).read_text(), re.MULTILINE)) == len(names), page


@pytest.mark.parametrize("name", [*SITE.TABLES, SITE.PEERS])
def test_tables_are_whole(name):
    """Every row has as many cells as the head, and what a table was measured by stands below, with its date."""
    lines = [line for line in SITE.table(name).splitlines() if line.startswith("|")]
    assert len(lines) > 2 and len({line.count("|") for line in lines}) == 1
    assert all(any(cell.strip() for cell in line.split("|")[2:]) for line in lines)
    assert name == SITE.PEERS or SITE.TABLES[name].script in SITE.table(name)


def test_every_file_of_results_is_quoted():
    quoted = {table.path for table in SITE.TABLES.values()}
    of_peers = re.findall(r'results / f?"(\w+)(?:\{suffix\})?\.json"', (ROOT / "docs/hooks/benchmarks.py").read_text())
    found = {*SITE.RESULTS.glob("*.json"), *SITE.BENCHMARKS.glob("*.json")} - quoted
    assert not [path.name for path in found if path.stem.removesuffix("_one_thread") not in of_peers]


def test_several_seeds_and_one_are_written():
    tables = sys.modules["tables"]
    assert (tables.over_seeds([0.5], 2), tables.over_seeds([0.4, 0.6], 2)) == ("0.50", "0.50 ± 0.14")
    assert (tables.with_error(1.2345, 0.011), tables.with_error(12.21, 0.42)) == ("1.234 ± 0.011", "12.2 ± 0.4")
    assert [tables.significant([value]) for value in (3.0, 0.375, 29.03, 693)] == ["3.0", "0.38", "29", "693"]


def test_old_models_are_named_until_they_are_fitted_again(monkeypatch):
    monkeypatch.setitem(SITE.OLD, "squirels", ("9999-01-01", "before the end"))
    assert "fitted before the end" in SITE.table("squirels")
    monkeypatch.setitem(SITE.OLD, "squirels", ("2000-01-01", "before the end"))
    assert "before the end" not in SITE.table("squirels")


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"[\w/]+\.md", (ROOT / "mkdocs.yml").read_text().partition("\nnav:")[2])
    made = [*SITE.ROOT_PAGES.values(), *(f"notebooks/{path.stem}.md" for path in (ROOT / "notebooks").glob("*.ipynb"))]
    assert sorted(listed) == sorted([*made, *(page.removeprefix("docs/") for page in documentation.DOCS)])


def test_every_room_and_pipeline_is_in_the_reference():
    pages = {page: (ROOT / page).read_text() for page in documentation.DOCS if page.startswith("docs/api/")}
    documented = {
        name
        for text in pages.values()
        for name in re.findall(r"^(?:::: |<!-- room: )(hepjax[\w.]+)", text, re.MULTILINE)
    }
    rooms = {f"hepjax.{room}" for room in (*hepjax.ROOMS, "devices", "export") if room != "pipelines"}
    assert rooms | {f"hepjax.pipelines.{name}" for name in table.NAMES} <= documented


def test_links_turn_to_pages_of_the_site():
    links = (
        "[a](../../notebooks/squirels.ipynb)",
        "![b](../../experiments/results/anomaly_roc.png)",
        "[c](../files.md#x)",
    )
    text = " ".join([*links, "[d](../../CITATION.cff)"])
    turned = SITE.relink(text, "methods/squirels.md", "docs/methods/squirels.md", None)
    assert turned == "[a](../notebooks/squirels.md) ![b](../figures/anomaly_roc.png) [c](../files.md#x) d"
    known = SITE.relink("[d](CITATION.cff)", "index.md", "README.md", "https://host/hepjax")
    assert known == "[d](https://host/hepjax/blob/main/CITATION.cff)"


def test_notebooks_become_pages_with_their_outputs():
    outputs = [{"data": {"image/png": "aGk="}}, {"text": ["1\n"]}]
    cells = [
        {"cell_type": "markdown", "source": ["# Title"]},
        {"cell_type": "code", "source": ["f()"], "outputs": outputs},
    ]
    pictures = {}
    page = SITE.notebook({"cells": cells}, "toy", pictures)
    assert page == "# Title\n\n```python\nf()\n```\n\n![](toy_0.png)\n\n```text\n1\n```\n" and pictures == {
        "toy_0.png": b"hi"
    }


def test_the_readme_is_short():
    assert (ROOT / "README.md").stat().st_size <= 8192
