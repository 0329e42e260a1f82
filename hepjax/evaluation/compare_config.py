"""What `hepjax compare` can measure. It imports no jax."""

from __future__ import annotations

from typing import Literal

Metric = Literal["mlp", "trees", "distances", "correlations"]
METRICS: tuple[Metric, ...] = ("mlp", "trees", "distances", "correlations")
