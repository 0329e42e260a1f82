"""The cache of compiled programs: what one run has compiled, the next one of the same user reads from disk."""

from __future__ import annotations

import hashlib
import os
import platform
from pathlib import Path

import jax
from platformdirs import user_cache_path


def use_cache() -> None:
    """Keep compiled programs in the user's cache folder, unless the environment names another or forbids it.

    `JAX_COMPILATION_CACHE_DIR` is another folder, `JAX_ENABLE_COMPILATION_CACHE=0` is none. A folder that cannot be
    written costs a warning of JAX and nothing else.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", str(cache_folder()))
    # A command has tens of programs that compile in some hundredths of a second, and are read in a few thousandths.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def cache_folder() -> Path:
    """The folder of this user and this kind of processor: programs for the CPU use all of its instructions."""
    return user_cache_path("hepjax") / "compiled" / f"{platform.machine()}-{_instructions()}"


def _instructions() -> str:
    """A digest of what the processor can do, where the system says it (Linux), else of its name."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if os.access(path, os.R_OK) else []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), platform.processor())
    return hashlib.sha256(flags.encode()).hexdigest()[:12]
