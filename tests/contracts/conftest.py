"""Put the registry beside the contracts on the path, and compile fast: hundreds of tiny programs run once each."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module", autouse=True)
def _fast(fast_compilation):
    pass
