"""Metrics that train something, and whole suites."""

from hepjax.evaluation import unfolding
from hepjax.evaluation.compare import compare
from hepjax.evaluation.timing import Timing, timing
from hepjax.evaluation.two_sample import two_sample

__all__ = ["Timing", "compare", "timing", "two_sample", "unfolding"]
