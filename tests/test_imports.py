"""The house rules: imports run one way, a library stays in its room, files stay short, configuration imports no jax."""

import ast
import graphlib
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hepjax"
FILES = sorted(PACKAGE.rglob("*.py"))
MAX_LINES = 400

BASE = {"types", "draws", "files", "losses", "devices", "caching", "units", "columns", "tags", "provenance"}
FUNCTIONS = {"transforms", "nets", "dynamics"}
MODELS = {"bridges", "classifiers", "flows"}
ROOMS = BASE | FUNCTIONS | MODELS | {"inference", "training", "metrics", "data", "report", "evaluation", "pipelines"}
ALLOWED = {
    "tags": set(),
    "types": {"tags"},
    "draws": {"types"},
    "files": {"types"},
    "losses": {"types"},
    "caching": set(),
    "devices": {"types", "caching"},
    "units": {"types"},
    "columns": set(),
    "provenance": {"caching"},
    **dict.fromkeys(FUNCTIONS, BASE),
    **dict.fromkeys(MODELS, BASE | FUNCTIONS),
    "inference": BASE | FUNCTIONS | MODELS,
    "training": BASE,
    "metrics": BASE,
    "data": BASE,
    "report": BASE | {"metrics"},
    "evaluation": BASE | {"classifiers", "nets", "transforms", "training", "metrics"},
    "pipelines": BASE | FUNCTIONS | MODELS | {"inference", "training", "metrics", "data"},
    "export": ROOMS,
    "app": ROOMS | {"export", "compilation"},
    "compilation": set(),
    "__main__": {"app"},
}
"""A room, and the other rooms that it may import; the root of the package, with its version, is open to all."""

ONLY_IN = {"flax": "nets/", "distrax": "flows/", "orbax": "training/checkpoint.py"}
"""A library, and the one room or file that may import it."""


def imports(source: str, module: str, package: bool) -> Iterator[str]:
    """Absolute names of all modules that a source imports, at any depth of its syntax tree."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: len(module.split(".")) - node.level + package] if node.level else []
            base = ".".join([*parents, *filter(None, [node.module])])
            # `from hepjax import nets` imports a room; `from hepjax.nets import mlp` the same room and a name.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def breaches(path: str, source: str) -> list[str]:
    """What a file of the package, at `path` below it, imports against the rules."""
    module = ".".join(["hepjax", *Path(path).with_suffix("").parts]).removesuffix(".__init__")
    room = path.split("/")[0].removesuffix(".py")
    found = []
    for name in imports(source, module, path.endswith("__init__.py")):
        top, *rest = name.split(".")
        if top in ONLY_IN and not path.startswith(ONLY_IN[top]):
            found.append(f"{path} imports {name}: {top} is for {ONLY_IN[top]} only")
        other = rest[0] if top == "hepjax" and rest else ""
        if other in {"", room, "__version__"} or room == "__init__":
            continue
        if room not in ALLOWED:
            found.append(f"{path}: room {room} has no line in the table of imports")
        elif other not in ALLOWED[room]:
            found.append(f"{path} imports {name}: {room} may import {', '.join(sorted(ALLOWED[room])) or 'nothing'}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    assert not breaches(path.relative_to(PACKAGE).as_posix(), path.read_text())


@pytest.mark.parametrize(
    "path, source",
    [
        ("bridges/dsb.py", "from hepjax import classifiers"),
        ("bridges/dsb.py", "import hepjax.training.loop"),
        ("metrics/auc.py", "def f():\n    from hepjax.nets import mlp"),
        ("metrics/auc.py", "from ..evaluation import two_sample"),
        ("metrics/__init__.py", "from ..nets import mlp"),
        ("pipelines/squirels.py", "from hepjax.evaluation.two_sample import auc"),
        ("nets/mlp.py", "if TYPE_CHECKING:\n    from hepjax.bridges import i2sb"),
        ("types.py", "from hepjax import files"),
        ("bridges/dsb.py", "import flax.linen as nn"),
        ("training/loop.py", "import orbax.checkpoint"),
        ("classifiers/binary.py", "from distrax import Normal"),
        ("new_room/thing.py", "from hepjax.types import Net"),
    ],
)
def test_a_planted_breach_is_found(path, source):
    assert breaches(path, source)


def test_the_rules_allow_what_they_should():
    assert not breaches("bridges/dsb.py", "from hepjax.types import Bridge\nfrom .i2sb import schedule\nimport optax")
    assert not breaches("bridges/__init__.py", "from .dsb import dsb")
    assert not breaches("training/checkpoint.py", "import orbax.checkpoint\nfrom hepjax import __version__")


def test_rooms_do_not_import_each_other():
    """The table can be sorted: what a room imports comes before it."""
    order = list(graphlib.TopologicalSorter(ALLOWED).static_order())
    assert order[-1] == "__main__" and order.index("pipelines") < order.index("app")


def files_imported(path: Path) -> set[Path]:
    """Files of the package that one imports, at any depth of its syntax tree; an `__init__.py` that is lazy, none."""
    relative = path.relative_to(ROOT)
    module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
    found = set()
    for name in imports(path.read_text(), module, path.name == "__init__.py"):
        parts = name.split(".")
        places = [ROOT.joinpath(*parts[:n]) for n in range(len(parts), 0, -1)]
        candidates = [p for place in places for p in (place.with_suffix(".py"), place / "__init__.py")]
        if parts[0] == "hepjax":
            found |= {p for p in candidates if p in FILES and p != path}.intersection(candidates[:4])
    return found


def test_files_do_not_import_each_other():
    """File by file, too, there are no circles: raises CycleError, which names one."""
    graph = {path: files_imported(path) for path in FILES if path.name != "__init__.py"}
    found = list(graphlib.TopologicalSorter(graph).static_order())
    assert len(found) >= len(graph)
    assert {PACKAGE / "app" / "runs.py", PACKAGE / "pipelines" / "options.py"} <= graph[PACKAGE / "app" / "chunks.py"]
    circle = {"a.py": {"b.py"}, "b.py": {"a.py"}}
    with pytest.raises(graphlib.CycleError):
        graphlib.TopologicalSorter(circle).prepare()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_are_short(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


def undeclared(requirements: list[str], sources: list[str]) -> set[str]:
    """Third-party packages that the sources import and the requirements do not bring."""
    declared = {requirement.split(">")[0] for requirement in requirements}
    names = {name.split(".")[0] for source in sources for name in imports(source, "hepjax", True)}
    third_party = names - set(sys.stdlib_module_names) - {"hepjax", ""}
    distributions = packages_distributions()
    return {n for n in third_party if not declared & {d.replace("_", "-").lower() for d in distributions.get(n, [n])}}


def without_functions(source: str) -> str:
    """What runs when the module is imported."""

    class Emptied(ast.NodeTransformer):
        def visit_FunctionDef(self, node):
            return ast.Pass()

    return ast.unparse(Emptied().visit(ast.parse(source)))


def test_what_is_imported_is_declared():
    """Every third-party package that hepjax imports is a dependency of its own, not one that happens to be there.

    That of an extra is imported where it is used, inside a function, so that hepjax works without it.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed, sources = project["dependencies"], [p.read_text() for p in FILES]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    assert not undeclared(needed + extras, sources)
    assert not undeclared(needed, [without_functions(source) for source in sources])
    assert undeclared(needed, [without_functions("import diffrax\ndef f(): pass")]) == {"diffrax"}


def config_modules() -> list[str]:
    """The package itself, its command line, and the modules of frozen dataclasses that the command line reads."""
    paths = [p.relative_to(ROOT).with_suffix("") for p in FILES if p.stem.endswith(("config", "options"))]
    return ["hepjax", "hepjax.app.cli", "hepjax.pipelines.table", *(".".join(p.parts) for p in paths)]


@pytest.mark.parametrize("module", config_modules())
def test_configuration_imports_no_jax(module):
    """So that `hepjax --help` is instant."""
    script = f"import sys, {module}; print([m for m in ('jax', 'sklearn', 'matplotlib') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
