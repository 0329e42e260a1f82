"""What MkDocs does beside rendering Markdown: it adds measured tables, figures, notebooks and the pages of the root.

A page holds `<!-- table: squirels -->` where a table belongs, which is made from the results when the site is built,
`<!-- room: hepjax.flows -->` where a room's reference does, and `<!-- file: hepjax/nets/mlp.py -->` where a file of the
repository is to be shown. Links go to files of the repository, so that they work there too, and are turned to the pages
of the site here.
"""

from __future__ import annotations

import base64
import json
import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import benchmarks
import events
import reference
import showers
from tables import BENCHMARKS, RESULTS, ROOT, measured, read

if TYPE_CHECKING:  # the tests have no MkDocs
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

MARK = re.compile(r"<!-- table: (\w+) -->")
ROOM = re.compile(r"<!-- room: ([\w.]+) -->")
SHOWN = re.compile(r"<!-- file: (\S+) -->")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)]*)?\)")
ROOT_PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}


class Table(NamedTuple):
    """A table: the file of its results, the function that writes it, and the script that measured them."""

    path: Path
    write: Callable[..., str]
    script: str


def _study(write: Callable[..., str], script: str = "") -> Table:
    name = write.__name__
    return Table(RESULTS / f"{name}.json", write, f"experiments/{script or name}.py")


def _benchmark(name: str, write: Callable[..., str], script: str = "") -> Table:
    return Table(BENCHMARKS / f"{name}.json", write, f"experiments/benchmarks/{script or name}.py")


TABLES = {
    "squirels": _study(showers.squirels),
    "caloflow": _study(showers.caloflow),
    "calibration": _study(showers.calibration),
    "anomaly": _study(showers.anomaly),
    "calochallenge_faults": _study(showers.calochallenge_faults),
    "unfolding": Table(RESULTS / "unfolding_comparison.json", events.unfolding, "experiments/unfolding_comparison.py"),
    "prior_correction": _study(events.prior_correction),
    "profile_omnifold": _study(events.profile_omnifold),
    "omnifold_gaussian": _study(events.omnifold_gaussian),
    "zjets_generated": _study(events.zjets_generated, "generate_zjets"),
    "auc_errors": _study(events.auc_errors),
    "floor": _benchmark("floor", benchmarks.floor),
    "trace": _benchmark("floor", benchmarks.trace),
    "best_rates": _benchmark("floor", benchmarks.best),
    "scaling": _benchmark("scaling", benchmarks.scaling),
    "streaming": _benchmark("streaming", benchmarks.streaming),
    "startup": _benchmark("startup", benchmarks.startup),
    "export": _benchmark("export", benchmarks.export),
    "export_onnx": _benchmark("export_onnx", benchmarks.export_onnx, "export"),
    "calochallenge": _benchmark("calochallenge", benchmarks.calochallenge),
}
PEERS = "peers"
OLD = {
    "squirels": (
        "2026-11-29",
        "before outliers were kept out of the tables of normal scores, which changes their tails",
    ),
    "caloflow": (
        "2026-11-29",
        "before outliers were kept out of the tables of normal scores, which changes their tails",
    ),
}
"""Until which date models were fitted by older code, and what has changed since."""


def table(name: str) -> str:
    """Write a table in Markdown, with what it was measured by below."""
    if name == PEERS:
        return benchmarks.peers()
    path, write, script = TABLES[name]
    results = read(path)
    lines = [write(results), measured(path, script)]
    changed, what = OLD.get(name, ("", ""))
    if results.get("provenance", {}).get("date", "") < changed:
        lines.append(f"These models were fitted {what}, and are to be fitted again.")
    return "\n\n".join(lines)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages at the root of the repository, the notebooks, and the figures of the studies."""
    from mkdocs.structure.files import File

    for name, page in ROOT_PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / name).read_text(encoding="utf-8")))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        pictures: dict[str, bytes] = {}
        page = notebook(json.loads(path.read_text(encoding="utf-8")), path.stem, pictures)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"notebooks/{name}", content=picture))
    for path in sorted(RESULTS.rglob("*.png")):
        files.append(File.generated(config, f"figures/{path.relative_to(RESULTS)}", abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Fill in the tables, and turn links to files of the repository to the pages of the site."""
    source = page.file.src_uri
    origin = {name: root for root, name in ROOT_PAGES.items()}.get(source)
    if origin is None:
        origin = source if source.startswith("notebooks/") else f"docs/{source}"
    filled = relink(MARK.sub(lambda found: table(found[1]), markdown), source, origin, config.repo_url)
    filled = ROOM.sub(lambda found: reference.room(found[1]), filled)
    return SHOWN.sub(lambda found: shown(found[1]), filled)


def shown(name: str) -> str:
    """Show a file of Python, with its name above."""
    return f'```python title="{name}"\n{(ROOT / name).read_text(encoding="utf-8").rstrip()}\n```'


def relink(markdown: str, source: str, origin: str, repository: str | None) -> str:
    """Turn the links of a page.

    Args:
        markdown: the page.
        source: where it stands in the site, such as `methods/squirels.md`.
        origin: the file of the repository that it was made from.
        repository: the address of the repository, if it is known.
    """

    def turned(found: re.Match[str]) -> str:
        picture, text, target, anchor = found.groups()
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(origin), target))
        there = place(path)
        if there is not None:
            return f"{picture}[{text}]({posixpath.relpath(there, posixpath.dirname(source) or '.')}{anchor or ''})"
        return f"[{text}]({repository.rstrip('/')}/blob/main/{path})" if repository else text

    return LINK.sub(turned, markdown)


def place(path: str) -> str | None:
    """Return where a file of the repository stands in the site, or None if it does not."""
    if path in ROOT_PAGES:
        return ROOT_PAGES[path]
    if path.startswith("notebooks/") and path.endswith(".ipynb"):
        return path.removesuffix(".ipynb") + ".md"
    if path.startswith("experiments/results/") and path.endswith(".png"):
        return path.replace("experiments/results/", "figures/", 1)
    return path.removeprefix("docs/") if path.startswith("docs/") else None


def notebook(content: dict[str, Any], name: str, pictures: dict[str, bytes]) -> str:
    """Write a notebook in Markdown, with the outputs that it is stored with.

    Args:
        content: the notebook's JSON.
        name: its name.
        pictures: what its pictures are added to, by their names.
    """
    parts = []
    for cell in content["cells"]:
        text = "".join(cell["source"]).strip()
        parts.append(mathematics(text) if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            if "image/png" in data:
                picture = f"{name}_{len(pictures)}.png"
                pictures[picture] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![]({picture})")
            elif printed := "".join(output.get("text", data.get("text/plain", ()))).rstrip():
                parts.append(f"```text\n{printed}\n```")
    return "\n\n".join(parts) + "\n"


def mathematics(markdown: str) -> str:
    """Turn formulas between dollars to MathML, which browsers show without a script."""
    from latex2mathml import converter

    markdown = re.sub(
        r"\$\$(.+?)\$\$", lambda found: converter.convert(_plain(found[1]), display="block"), markdown, flags=re.S
    )
    return re.sub(r"(?<!\\)\$([^$]+?)\$", lambda found: converter.convert(_plain(found[1])), markdown)


def _plain(formula: str) -> str:
    """Write what latex2mathml does not know in its words."""
    return formula.replace(r"\arg", r"\operatorname{arg}")
