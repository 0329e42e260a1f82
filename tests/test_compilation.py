"""The cache of compiled programs, in processes of their own: it is global to JAX."""

import os
import subprocess
import sys

import pytest

COMPILE = """
import jax
from hepjax import compilation
compilation.use_cache()
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name))
jax.jit(lambda x: x * 2 + 1)(1.0)
print(sum("cache_hits" in name for name in hits))
"""


def cache_hits(home, **environment) -> int:
    """Programs that a new process, of a user with this home, reads from the cache."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("JAX_", "XDG_"))}
    run = subprocess.run(
        [sys.executable, "-c", COMPILE],
        env={**kept, "JAX_PLATFORMS": "cpu", "HOME": str(home), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout)


def files(folder) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_second_process_reads_what_the_first_compiled(tmp_path):
    assert cache_hits(tmp_path) == 0
    assert files(tmp_path)
    assert cache_hits(tmp_path) > 0


@pytest.mark.parametrize("forbidden", [True, False])
def test_the_environment_decides(tmp_path, forbidden):
    home, other = tmp_path / "home", tmp_path / "other"
    home.mkdir()
    chosen = {"JAX_ENABLE_COMPILATION_CACHE": "0"} if forbidden else {"JAX_COMPILATION_CACHE_DIR": str(other)}
    cache_hits(home, **chosen)
    assert not files(home)
    assert bool(files(other)) is not forbidden
