"""The pages of documentation: their blocks, the command lines in these, and the tables that are filled in."""

import importlib.util
import re
import shlex
import sys
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
DOCS = tuple(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md")))
READMES = ("README.md", "CONTRIBUTING.md", "experiments/benchmarks/README.md", "experiments/slurm/README.md")
PAGES = (*READMES, *DOCS)
GROUPS = "squirels|showers|caloflow|calibrate|anomaly|unfold|calochallenge|generate|compare|export|demo"
COMMAND = re.compile(
    rf"\s*(hepjax ({GROUPS})\b|make (demo|docs|commands|test|lint|types|bench)\b|\.venv/bin/|\.ci/run|sbatch )"
)
"""What a line of a shell starts with."""


def tokens(page):
    """The parsed page."""
    return MarkdownIt("commonmark").enable("table").parse((ROOT / page).read_text())


def blocks(page, language):
    """The blocks of code in a language, those without one being of the shell."""
    code = (token for token in tokens(page) if token.type in ("fence", "code_block"))
    return [token.content for token in code if (token.info.strip() or "sh") == language]


def spans(page):
    """All code within text."""
    inline = (child for token in tokens(page) for child in token.children or ())
    return [child.content for child in inline if child.type == "code_inline"]


def commands(page):
    """The words of all command lines of hepjax in blocks of a page, without `hepjax`, in their order."""
    lines = (line for block in blocks(page, "sh") for line in block.splitlines())
    return [shlex.split(line, comments=True)[1:] for line in lines if re.match("hepjax ", line)]


def site():
    """The hook that fills in the pages, imported as MkDocs does it."""
    folder = ROOT / "docs/hooks"
    spec = importlib.util.spec_from_file_location("documentation_site", folder / "site.py")
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module
