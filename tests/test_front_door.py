"""What a user sees of the package: rooms and pipelines are attributes, and completion by the tabulator lists them."""

import ast
import subprocess
import sys
from pathlib import Path

import hepjax

PACKAGE = Path(hepjax.__file__).parent
PIPELINES = sorted(path.parent.name for path in PACKAGE.glob("pipelines/*/verbs.py"))
ROOMS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py") if path.parent.name != "app")
FILES = ["devices", "losses", "provenance", "types", "units"]


def fresh(script):
    """What a script prints in an interpreter that has imported nothing yet."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout)


def test_completion_lists_every_room_and_every_pipeline():
    listed = fresh("import hepjax; print((dir(hepjax), dir(hepjax.pipelines)))")
    assert listed == (sorted(ROOMS + FILES), PIPELINES)
    assert {"squirels", "caloflow", "profile_omnifold", "unfolding"} <= set(PIPELINES)


def test_rooms_and_pipelines_are_attributes():
    """In an interpreter where no other test has imported them; jax comes with a room and not before."""
    names = ["pipelines." + name for name in PIPELINES] + ["provenance", "devices", "export"]
    found = ", ".join(f"hepjax.{name}.__name__" for name in names)
    early, *modules = fresh(f"import hepjax, sys; print(('jax' in sys.modules, {found}))")
    assert not early and modules == [f"hepjax.{name}" for name in names]
