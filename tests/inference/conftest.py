"""Float64 for closed forms and finite differences, programs that compile fast, and the likelihoods on the path."""

import sys
from pathlib import Path

import jax
import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module", autouse=True)
def _fast(fast_compilation):
    pass


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield
