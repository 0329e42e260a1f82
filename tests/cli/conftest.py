"""Files of toy showers, a model to refine them with, and the command line in this process."""

import resource

import jax
import pytest
from toys import TINY, toy_showers

from hepjax.app import cli
from hepjax.data import showers
from hepjax.pipelines.squirels import model
from hepjax.pipelines.squirels import verbs as squirels


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Files fast.hdf5, full.hdf5 and test.hdf5 of 4 x 4 cells, and the folder `run` of an untrained model."""
    folder = tmp_path_factory.mktemp("files")
    for name, sample in (
        ("fast", toy_showers(0, 240)),
        ("full", toy_showers(1, 200, width=0.7)),
        ("test", toy_showers(2, 128)),
    ):
        showers.write(folder / f"{name}.hdf5", sample)
    spec = model.Spec(TINY, toy_showers(0, 1).geometry, (5, 6, 9, 10), 2)
    (folder / "run").mkdir()
    state = squirels._untrained(spec)
    constants = squirels._preprocess(jax.random.key(0), spec, toy_showers(0, 240), toy_showers(1, 200))
    state = state._replace(constants=constants._replace(marginals=state.constants.marginals))
    squirels.save(folder / "run" / "checkpoint", state)
    return folder


@pytest.fixture
def run(capsys):
    """(words of a command line) -> exit code, standard error."""

    def run(*words):
        code = cli.main([str(word) for word in words])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def refused(run, tmp_path):
    """(expected words of the message, *words of a command line): exit code 2, one line, and nothing left behind."""

    def refused(expected, *words):
        before = tree(tmp_path)
        code, error = run(*words)
        assert code == 2
        assert error.startswith("hepjax: ") and error.count("\n") == 1 and error.endswith("\n")
        assert expected in error
        assert tree(tmp_path) == before

    return refused


@pytest.fixture
def small_files():
    """(bytes): from now on no file of this process grows beyond, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def tree(folder):
    """Every path below a folder, with the content of files."""
    return {p.relative_to(folder): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}
