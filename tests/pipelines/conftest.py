"""Samples that all tests of the pipelines share."""

import pytest
from toys import toy_showers


@pytest.fixture(scope="session")
def samples():
    """Fast and full showers of different sizes, and fast ones that were not trained on."""
    return toy_showers(0, 240), toy_showers(1, 200, width=0.7), toy_showers(2, 128)
