"""What made a result: versions, hardware and date."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform

import jax

from hepjax.caching import cached


@cached
def versions() -> dict[str, str]:
    """Return the versions of hepjax and jax, to be kept beside results."""
    return {package: importlib.metadata.version(package) for package in ("hepjax", "jax")}


def provenance() -> dict[str, str]:
    """Return versions, hardware and date, to be kept beside results."""
    device = jax.local_devices()[0]
    return {
        **versions(),
        "python": platform.python_version(),
        "device": f"{jax.device_count()} x {device.device_kind} ({platform.machine()}, {os.cpu_count()} cores)",
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }
