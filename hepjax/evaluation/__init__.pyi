from . import calochallenge, unfolding
from .compare import compare
from .timing import Timing, timing
from .two_sample import two_sample

__all__ = ["Timing", "calochallenge", "compare", "timing", "two_sample", "unfolding"]
