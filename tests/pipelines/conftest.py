"""Samples that all tests of the pipelines share, and fits that are killed."""

import pytest
from toys import toy_showers

from hepjax.training import checkpoint


@pytest.fixture(scope="session")
def samples():
    """Fast and full showers of different sizes, and fast ones that were not trained on."""
    return toy_showers(0, 240), toy_showers(1, 200, width=0.7), toy_showers(2, 128)


class Killed(BaseException):
    """Passes through every handler of exceptions, as the end of a process does."""


@pytest.fixture
def fit_until_killed(monkeypatch):
    """(saves, fit, *its arguments): a fit that dies after some checkpoints -> whether it finished."""

    def run(saves, fit, *args, **kwargs):
        left, save = [saves], checkpoint.Store.save

        def last(store, *args):
            save(store, *args)
            left[0] -= 1
            if not left[0]:
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(checkpoint.Store, "save", last)
            try:
                fit(*args, **kwargs)
            except Killed:
                return False
        return True

    return run
