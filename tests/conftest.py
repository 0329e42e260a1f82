"""Shared by all tests: shapes and types of hepjax are checked at run time, and small samples to work on."""

import gc
import os
import pkgutil
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

import hepjax

sys.path.insert(0, str(Path(__file__).parent))  # for the helpers beside this file
collect_ignore_glob = ["*/scripts/*"]  # programs that tests start

gc.set_threshold(100_000)  # tracing makes many objects that live on

# Not the records of `types`: JAX rebuilds a pytree with whatever leaves a transformation has, shapes and None too.
CHECKED = [f"hepjax.{m.name}" for m in pkgutil.iter_modules(hepjax.__path__) if m.name != "types"]
install_import_hook(CHECKED, "beartype.beartype")

from hepjax import compilation  # noqa: E402 - checked, too

# Tests, and the commands they start, leave the user's cache of compiled programs alone and share one of the checkout.
COMPILED = Path(__file__).parents[1] / ".pytest_cache" / "compiled" / compilation.cache_folder().name
os.environ |= {"JAX_COMPILATION_CACHE_DIR": str(COMPILED), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.1"}
jax.config.update("jax_compilation_cache_dir", str(COMPILED))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="module", autouse=True)
def few_memory_maps():
    """Drop compiled programs before they run out of memory maps, of which Linux gives a process some 65,000."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 20_000:
        jax.clear_caches()


@pytest.fixture(scope="module")
def fast_compilation():
    """Compile fast rather than well, for modules that run many tiny programs once each."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.fixture
def rng():
    """NumPy's generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture
def tiny_showers(rng):
    """32 made-up showers in 3 x 4 crystals, some cells exactly zero, float32 MeV."""
    from hepjax.data import geometry
    from hepjax.types import Showers

    energies = rng.uniform(10e3, 100e3, 32).astype(np.float32)
    shares = rng.dirichlet(np.full(12, 0.3), 32)
    voxels = np.where(shares > 1e-3, shares, 0.0) * energies[:, None]
    return Showers(energies, voxels.astype(np.float32), geometry.named("crystals_3x4"))
