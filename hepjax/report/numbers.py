"""Numbers as JSON: metrics.json and its kin. Apart from the figures, for commands that draw none."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

from hepjax.files import atomic_write


def write_json(path: str | os.PathLike[str], content: Mapping[str, Any]) -> None:
    """Write JSON, whole or not at all; numbers that JSON lacks (NaN, infinities) become null."""
    text = json.dumps(_finite(content), indent=2, allow_nan=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """Plain JSON values: numpy and JAX scalars unwrapped, non-finite numbers replaced by None."""
    if isinstance(value, Mapping):
        return {str(k): _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
