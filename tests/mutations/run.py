"""Break hepjax in known ways, one at a time, and see whether the tests notice.

    python tests/mutations/run.py [NAME ...] [--out results.md] [--unbroken]

A mutation of `mutations.toml` replaces a piece of text of one file, in a copy of the checkout; then the tests that
should notice run in one thread. It is noticed where a test fails. Before any mutation all these tests have to pass in
the copy. Run by hand, not by the checks: it takes half an hour on one core.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("mutations.toml")
IGNORED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".pytest_cache", "*.egg-info")
FAILED = 1  # what pytest returns where a test fails; 2 and more tell of faults of another kind
LIMIT_S = 900
MISSED = "**not noticed**"


class Mutation(NamedTuple):
    """What is broken, the file, the text that stands once in it and what it becomes, and the tests to notice."""

    name: str
    file: str
    old: str
    new: str
    tests: list[str]


def read() -> list[Mutation]:
    """The list; raises ValueError for a text that does not stand exactly once in its file, or a test without a file."""
    mutations = [Mutation(**entry) for entry in tomllib.loads(LIST.read_text())["mutation"]]
    for mutation in mutations:
        found = (ROOT / mutation.file).read_text().count(mutation.old)
        if found != 1 or mutation.old == mutation.new:
            raise ValueError(f"{mutation.name}: the text to replace stands {found} times in {mutation.file}")
        for test in mutation.tests:
            if not (ROOT / test.partition("::")[0]).exists():
                raise ValueError(f"{mutation.name}: no file of {test}")
    return mutations


def copied(folder: Path) -> Path:
    """A copy of the checkout, beside a link to what stands beside the checkout."""
    copy = folder / "hepjax"
    shutil.copytree(ROOT, copy, ignore=IGNORED, symlinks=True)
    shared = ROOT.parent / "shared"
    if shared.exists():
        (folder / "shared").symlink_to(shared)
    return copy


def tested(copy: Path, tests: list[str]) -> tuple[int, str]:
    """Run tests of the copy: pytest's exit status, and the first test that fails."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"), "1")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-rfE", *tests]
    environment = os.environ | threads | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return FAILED, "(no end)"
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", run.stdout, re.MULTILINE)
    return run.returncode, failed[1] if failed else run.stdout.strip()[-300:]


def tried(copy: Path, mutation: Mutation) -> tuple[int, str]:
    """Break the copy, test it, and mend it."""
    path = copy / mutation.file
    text = path.read_text()
    path.write_text(text.replace(mutation.old, mutation.new))
    try:
        return tested(copy, mutation.tests)
    finally:
        path.write_text(text)


def row(mutation: Mutation, status: int, first: str) -> str:
    """A row of the results."""
    verdict = {0: MISSED, FAILED: f"`{first.removeprefix('tests/')}`"}.get(status, f"fault: {first}")
    return f"| {mutation.name} | `{mutation.file.removeprefix('hepjax/')}` | {verdict} |"


def write(path: Path, rows: dict[str, str]) -> str:
    """Write the rows of all mutations of the list, those not tried now as they were; returns the summary."""
    before = path.read_text().splitlines() if path.exists() else []
    old = {line.split(" | ")[0].removeprefix("| "): line for line in before if line.startswith("| ")}
    kept = [line for m in read() if (line := (old | rows).get(m.name))]
    noticed = sum(MISSED not in line and "| fault:" not in line for line in kept)
    summary = f"{noticed} of {len(kept)} mutations are noticed."
    head = "| what was broken | where | the first test that failed |\n|---|---|---|\n"
    path.write_text(f"# Mutations\n\n{summary} Written by `run.py`.\n\n{head}" + "\n".join(kept) + "\n")
    return summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="mutations to try; all by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("results.md"), help="the results")
    parser.add_argument("--unbroken", action="store_true", help="do not run the tests without mutations")
    asked = parser.parse_args()
    mutations = [m for m in read() if not asked.names or m.name in asked.names]
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder))
        if not asked.unbroken:
            status, first = tested(copy, sorted({test for m in mutations for test in m.tests}))
            if status:
                sys.exit(f"without any mutation: {first}")
        rows = {}
        for mutation in mutations:
            rows[mutation.name] = row(mutation, *tried(copy, mutation))
            print(rows[mutation.name], flush=True)
    print(write(asked.out, rows))


if __name__ == "__main__":
    main()
