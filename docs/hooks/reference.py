"""The reference: what a room exports, by the names that users import."""

import ast
from collections.abc import Iterator

from tables import ROOT


def room(package: str) -> str:
    """Write the blocks of mkdocstrings for a package: its docstring, then all that it exports.

    A name stands for the object where it is defined, under the name that users import. A module that is exported is
    shown whole, after the other names, unless the package exports some of its names themselves.
    """
    exported = dict(exports(package))
    opened = {place.rpartition(".")[0] for place in exported.values()}
    blocks = [f"::: {package}\n    options:\n      members: false"]
    short = package.removeprefix("hepjax.").removeprefix("pipelines.")
    for name, place in sorted(exported.items(), key=lambda item: _is_module(item[1])):
        if place not in opened and not name.startswith("_"):
            heading = {"show_root_heading": "true", "show_root_toc_entry": "true", "toc_label": name}
            heading |= {"heading": f"{short}.{name}", "heading_level": str(package.count(".") + 1)}
            lines = "\n".join(f"      {key}: {value}" for key, value in heading.items())
            blocks.append(f"::: {place}\n    options:\n{lines}")
    return "\n\n".join(blocks)


def exports(package: str) -> Iterator[tuple[str, str]]:
    """Yield the names that a package imports into itself, and the full names of what they stand for."""
    folder = ROOT.joinpath(*package.split("."))
    source = next(path for path in (folder / "__init__.pyi", folder / "__init__.py") if path.exists())
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("hepjax")):
            base = ".".join(filter(None, [package if node.level else "", node.module]))
            yield from ((alias.asname or alias.name, f"{base}.{alias.name}") for alias in node.names)


def _is_module(place: str) -> bool:
    path = ROOT.joinpath(*place.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()
