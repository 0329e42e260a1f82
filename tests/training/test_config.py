import subprocess
import sys


def test_the_configuration_imports_no_jax():
    heavy = {"jax", "optax", "orbax", "rich"}
    code = f"import sys, hepjax.training as t; t.Config(); print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
